"""The kill switch: what is stopped, how strictly, and the file that stops it without any server.

Modes. `halt`: nothing new leaves, and every open order of the scope is cancelled, protective stops too. `flatten`: every
open order is cancelled, then every book is closed. `reduce_only`: what does not bring its book nearer to zero is refused
and cancelled; stops and targets stay. Of several that apply the strictest holds, in that order.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple, get_args

Scope = Literal["fleet", "account", "strategy", "symbol"]
Mode = Literal["halt", "flatten", "reduce_only"]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)
"""The strictest first."""

Kills = Mapping[tuple[str, str], Mode]
"""The kill switches that are on, by (scope, key); the key is "" for the fleet."""

MEANING: Final[Mapping[Mode, str]] = {
    "halt": "nothing new leaves and every open order is cancelled",
    "flatten": "every open order is cancelled, then every position is closed",
    "reduce_only": "only orders that shrink a position leave; stops and targets stay",
}


class FileKill(NamedTuple):
    """One line of the kill file."""

    scope: Scope
    key: str
    mode: Mode
    reason: str


def named(scope: str, key: str) -> str:
    """A scope as people write it: `fleet`, `strategy:sma_fast`."""
    return f"{scope}:{key}" if key else scope


def scope_of(text: str) -> tuple[Scope, str]:
    """`fleet`, `account:X`, `strategy:X` or `symbol:X` as scope and key.

    Raises:
        ValueError: it is none of these.
    """
    scope, colon, key = text.partition(":")
    for known in get_args(Scope):
        if scope == known and (known == "fleet") == (not colon) and (known == "fleet" or key):
            return known, key
    raise ValueError(f"expected fleet, account:NAME, strategy:ID or symbol:SYMBOL, got {text!r}")


def mode_of(text: str) -> Mode:
    """A mode as people write it: `reduce-only` is `reduce_only`.

    Raises:
        ValueError: it is none.
    """
    for mode in MODES:
        if text.replace("-", "_") == mode:
            return mode
    raise ValueError(f"expected halt, reduce-only or flatten, got {text!r}")


def written(mode: Mode) -> str:
    """A mode as people write it."""
    return mode.replace("_", "-")


def stricter(one: Mode | None, other: Mode | None) -> Mode | None:
    """The stricter of two; None is none at all."""
    return next((mode for mode in MODES if mode in (one, other)), None)


def applying(kills: Kills, accounts: Iterable[str], strategy_id: str, symbol: str) -> tuple[str, Mode] | None:
    """The strictest kill over an order, as (scope as people write it, mode); None when it may be sent.

    Args:
        accounts: what the account is called: its id, and the name it is configured by.
    """
    if not kills:
        return None
    scopes = [("fleet", ""), *(("account", account) for account in accounts), ("strategy", strategy_id), ("symbol", symbol)]
    found = [(named(*scope), kills[scope]) for scope in scopes if scope in kills]
    return min(found, key=lambda hit: MODES.index(hit[1])) if found else None


def over_account(kills: Kills, accounts: Iterable[str]) -> Mode | None:
    """The strictest kill of the fleet or of a whole account."""
    hit = applying(kills, accounts, "", "")
    return None if hit is None else hit[1]


def merged(*sources: Kills) -> dict[tuple[str, str], Mode]:
    """All that any of them stops, in the strictest of their modes."""
    found: dict[tuple[str, str], Mode] = {}
    for source in sources:
        for scope, mode in source.items():
            found[scope] = stricter(found.get(scope), mode) or mode
    return found


def parse(text: str) -> list[FileKill]:
    """What a kill file orders. An empty one halts the fleet; so does a line that cannot be read: whoever wrote it meant to stop something.

    A line is `MODE SCOPE reason`: `reduce-only symbol:AAPL odd prices`. Lines without a word, or that begin with #, say nothing
    beside others.
    """
    lines = [line.strip() for line in text.splitlines()]
    found = [_line(line) for line in lines if line and not line.startswith("#")]
    return found or [FileKill("fleet", "", "halt", "an empty kill file")]


def _line(line: str) -> FileKill:
    mode, _, rest = line.partition(" ")
    scope, _, reason = rest.strip().partition(" ")
    try:
        return FileKill(*scope_of(scope), mode_of(mode), reason.strip() or "no reason in the kill file")
    except ValueError:
        return FileKill("fleet", "", "halt", f"a line of the kill file that cannot be read: {line[:200]}")


def line_of(kill: FileKill) -> str:
    """A kill as a line of the file."""
    return f"{written(kill.mode)} {named(kill.scope, kill.key)} {' '.join(kill.reason.split())}".strip()


def with_kill(text: str | None, kill: FileKill) -> str:
    """The text of the file once it orders this too; None: there is no file. What it says of the same scope is replaced."""
    kept = [] if text is None else [line_of(old) for old in parse(text) if old[:2] != kill[:2]]
    return "\n".join([*kept, line_of(kill)]) + "\n"


def without(text: str, scope: str, key: str) -> str | None:
    """The text once a scope is re-armed; None when nothing is left, and the file has to go."""
    kept = [line_of(kill) for kill in parse(text) if kill[:2] != (scope, key)]
    return "\n".join(kept) + "\n" if kept else None


def kills_of(found: Iterable[FileKill]) -> dict[tuple[str, str], Mode]:
    """By scope and key; of several of one scope the strictest."""
    return merged(*[_alone(kill) for kill in found])


def _alone(kill: FileKill) -> Kills:
    return {(kill.scope, kill.key): kill.mode}
