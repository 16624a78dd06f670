"""What a key does: first purely, from where the operator is to where he then is and what he has ordered; then through Control."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

from fleet import kill_file
from fleet.screen.model import Hand, Question, Stopped, View
from libs.common.database import Unreachable
from libs.common.within import within
from libs.domain.kill import MEANING, FileKill, Mode, scope_of, written
from libs.store.control import Control

ESCAPE: Final = "\x1b"
ENTER: Final = ("\r", "\n")
ERASE: Final = ("\x7f", "\x08")
ERASE_ALL: Final = "\x15"  # Ctrl-U
MOST_TYPED: Final = 200
ANSWER_WITHIN_S: Final = 2.0  # then a kill goes by the file


class Pause(NamedTuple):
    """No new signals, or signals again."""

    paused: bool


class Kill(NamedTuple):
    """The whole fleet is stopped."""

    reason: str
    mode: Mode = "halt"


class Rearm(NamedTuple):
    """Orders again in a scope."""

    scope: str  # as people write it
    reason: str


@dataclass(frozen=True)
class Stop:
    """The whole run, in order."""


Request = Pause | Kill | Rearm
"""What goes through Control."""

Order = Request | Stop


def press(hand: Hand, key: str, stopped: Sequence[Stopped]) -> tuple[Hand, Order | None]:
    """One key; `stopped` is what can be re-armed, in that order. A key without a meaning changes nothing."""
    if hand.question is not None:
        return _answer(hand, hand.question, key)
    match key:
        case "p" | "r":
            return hand, Pause(key == "p")
        case "k":
            return replace(hand, question=Question("kill", "fleet")), None
        case "F":
            return replace(hand, question=Question("flatten", "fleet")), None
        case "R" if stopped:
            return replace(hand, question=Question("rearm", stopped[0].scope)), None
        case "a":
            return _turned(hand, "alerts"), None
        case "?" | "h":
            return _turned(hand, "help"), None
        case "q":
            return hand, Stop()
        case "\x1b":
            return replace(hand, view="fleet"), None
        case _:
            return hand, None


def _turned(hand: Hand, view: View) -> Hand:
    return replace(hand, view="fleet" if hand.view == view else view)


def _answer(hand: Hand, question: Question, key: str) -> tuple[Hand, Order | None]:
    typed = question.typed
    if key == ESCAPE:
        return replace(hand, question=None), None
    if key in ENTER:
        reason = typed.strip()
        if not reason:
            return replace(hand, question=replace(question, typed="", complaint="A reason is needed")), None
        return replace(hand, question=None), _ordered(question, reason)
    if key in ERASE:
        typed = typed[:-1]
    elif key == ERASE_ALL:
        typed = ""
    elif key.isprintable() and len(typed) < MOST_TYPED:
        typed += key
    return replace(hand, question=replace(question, typed=typed, complaint="")), None


def _ordered(question: Question, reason: str) -> Request:
    if question.kind == "rearm":
        return Rearm(question.scope, reason)
    return Kill(reason, "halt" if question.kind == "kill" else "flatten")


def pressed(typed: str) -> list[str]:
    """What came from the keyboard at once, as keys. An arrow or a function key, which begins with Esc too, is none."""
    if typed.startswith(ESCAPE) and len(typed) > 1:
        return []
    return list(typed)


async def obey(order: Request, control: Control, by: str, state: Path) -> str:
    """Does as the same command of the CLI does; what to tell the operator.

    Args:
        state: where the kill file goes when the record is away.

    Raises:
        LookupError: there is nothing to do it to.
        ValueError: it is not done now; the text says why.
        Unreachable: the database is away; it may have been done.
        ConfigError: the kill file cannot be written.
        Rejected: the database refused.
    """
    match order:
        case Pause(paused):
            await control.set_paused(paused, by)
            return f"paused by {by}: no strategy emits a signal; r goes on" if paused else f"resumed by {by}: strategies emit signals again"
        case Kill(reason, mode):
            try:
                await within(ANSWER_WITHIN_S, control.kill("fleet", "", mode, reason, by))
            except (Unreachable, TimeoutError):
                path = kill_file.add(state, FileKill("fleet", "", mode, f"{reason} (by {by})"))
                return f"KILL SWITCH set by {by} by the file {path}, as the database does not answer: {MEANING[mode]}"
            return f"KILL SWITCH ({written(mode)}) set by {by}: {MEANING[mode]} ({reason}); R re-arms"
        case Rearm(scope, reason):
            await control.may_rearm(*scope_of(scope), reason)
            kill_file.lift(state, *scope_of(scope))
            await control.rearm(*scope_of(scope), reason, by)
            return f"re-armed {scope} by {by}: orders again"
