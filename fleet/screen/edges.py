"""The first lines of the screen and its last."""

from typing import Final

from rich.text import Text

from fleet.screen.columns import line
from fleet.screen.model import Question, Snapshot
from fleet.screen.words import LOSS, WARN, lasted, moment
from libs.domain.kill import written

NAME: Final = "Tradewinds"


def header(snapshot: Snapshot, width: int) -> list[Text]:
    """Whether it is real money, which market, whether its prices are real, its time, the session: one line, or two where it is narrow."""
    money = Text.assemble("  ", (" REAL MONEY ", f"bold reverse {LOSS}")) if snapshot.live else ""
    left = Text.assemble((f" {NAME} ", "bold reverse"), money, f"  {snapshot.market}  ", (f"[{snapshot.prices}]", f"bold {WARN}"))
    session = snapshot.session
    when = f"{moment(session.market_time)} UTC" if session is not None else "the market has not begun"
    right = Text.assemble(when, "   ", _state(snapshot), f"   up {lasted(snapshot.uptime_s)} ")
    space = width - left.cell_len - right.cell_len
    if space >= 2:
        return [line(left, " " * space, right, width=width)]
    return [line(left, width=width), line("   ", right, width=width)]


def _state(snapshot: Snapshot) -> tuple[str, str]:
    if snapshot.stopping:
        return "stopping", f"bold {WARN}"
    session = snapshot.session
    modes = dict.fromkeys(written(stopped.mode) for stopped in snapshot.stopped if stopped.mode)
    killed = [f"KILL SWITCH ON ({', '.join(modes)})"] if modes else []
    halted = ["ONLY CLOSING"] if any(stopped.halted for stopped in snapshot.stopped) else []
    paused = ["PAUSED"] if session is not None and session.paused else []
    if words := killed + halted + paused:
        return ", ".join(words), f"bold {LOSS if killed or halted else WARN}"
    return (session.state if session is not None else "starting"), ""


def footer(snapshot: Snapshot, width: int) -> Text:
    """The keys, or the question that is open."""
    if snapshot.stopping:  # also over a question: nobody can answer it any more
        return line((" stopping in order; Ctrl-C again ends everything at once", "bold"), width=width)
    if snapshot.hand.question is not None:
        return _question(snapshot.hand.question, width)
    if not snapshot.keys:
        return line((" Ctrl-C stops everything", "dim"), width=width)
    paused = snapshot.session is not None and snapshot.session.paused
    keys = [("r", "resume") if paused else ("p", "pause"), ("k", "kill switch"), ("F", "flatten")]
    keys += [("R", "re-arm")] if snapshot.stopped else []
    keys += [("a", "alerts") if snapshot.hand.view != "alerts" else ("Esc", "back")]
    keys += [("?", "help") if snapshot.hand.view != "help" else ("Esc", "back")]
    keys += [("q", "stop in order")]
    return line(*(part for key, word in keys for part in ((f" {key} ", "bold"), (f"{word}  ", "dim"))), width=width)


def _question(question: Question, width: int) -> Text:
    ask = {
        "kill": " Stop and cancel all orders?",
        "flatten": " Cancel all orders and CLOSE ALL POSITIONS?",
        "rearm": f" Allow orders of {question.scope} again?",
    }[question.kind]
    ask += f" {question.complaint}:" if question.complaint else " Reason:"
    answers = "  Enter yes  Esc no "
    room = max(4, width - len(ask) - len(answers) - 3)
    typed = question.typed if len(question.typed) <= room else "…" + question.typed[1 - room :]
    return line((ask, "bold" if question.kind == "rearm" else f"bold {LOSS}"), f" {typed}▏".ljust(room + 3), (answers, "dim"), width=width)
