"""A stored backtest as its report needs it: what was asked for, and the fingerprints that the report is held to."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from libs.store.backtests import Backtest, Outcome

CAUSES: Final = {
    "data": "the bars are not the same",
    "code": "strategies, rules, fills or the readers of data have been changed in between, or another Python ran them",
    "config": "something else was asked for",
    "engine": "another release of the engine played them",
}
"""What each fingerprint says when it is another."""


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What of a finished backtest has to be known to play it again."""

    id: str
    spec: dict[str, Any]
    prints: Mapping[str, str]  # by the names of CAUSES


def stored_of(backtest: Backtest) -> Stored:
    """A finished backtest of the record."""
    return Stored(id=str(backtest.id), spec=backtest.spec, prints=prints_of(backtest))


def prints_of(of: Backtest | Outcome) -> dict[str, str]:
    """The four fingerprints of a result."""
    return {cause: getattr(of, cause) for cause in CAUSES}


def unfinished(kind: str, id_: str, state: str, error: str) -> str:
    """Why there is no report of what has no result."""
    return f"{kind} {id_} is {state} and has no result{f': {error}' if error else ''}"
