"""What the options of `fleet backtest search` and `walk-forward` ask for, before anything is read of it."""

from typing import Final, NamedTuple

from fleet.backtest_options import Asked

INTERRUPTED: Final = 130
"""Exit code of a search that was asked to end by Ctrl-C."""


class Wanted(NamedTuple):
    """A search, in the words of its options."""

    asked: Asked  # the backtest that each trial is
    ranges: list[str]
    method: str | None
    trials: int | None
    seed: int
    metric: str
    cv: str
    workers: int | None  # None: all cores
    ray: str | None


class Walk(NamedTuple):
    """A walk-forward beside it."""

    train: str
    test: str
    anchored: bool
