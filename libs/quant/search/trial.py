"""One trial of a search: a set of parameters, and what a backtest with it was worth."""

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from libs.domain.names import TIMEFRAMES
from libs.quant.backtest.report import Equity, Figures
from libs.quant.search.plan import Params

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Times = NDArray[np.int64]

PERIODS: Final = ("1d", "1h", "5m", "1m")
FEWEST: Final = 64
"""Periods below which a shorter one is taken: the tests of overfitting split them into sixteen blocks."""


class Trial(NamedTuple):
    """A finished trial. One that could not be run has no figures, no returns and an error."""

    n: int  # its number in the plan
    params: Params
    figures: Figures | None
    returns: "Floats"  # per period of the search, oldest first
    error: str = ""

    @property
    def traded(self) -> bool:
        """Whether anything was filled. What never traded can be no choice, and says nothing of how much choices differ."""
        return self.figures is not None and self.figures.trades > 0


def period_of(times: "Times", finest: str) -> str:
    """The timeframe of the periods that trials are compared by: days where there are enough of them, else a shorter one.

    Args:
        times: when the bars are known, ascending.
        finest: timeframe of these bars, below which there is nothing.
    """
    longer = [name for name in PERIODS if TIMEFRAMES[name] > TIMEFRAMES[finest]]
    return next((name for name in longer if len(np.unique((times - 1) // TIMEFRAMES[name])) >= FEWEST), finest)


def returns_of(curve: Equity, deposit: float, period: str) -> "Floats":
    """Simple returns over the periods in which there are bars, the first one on the deposit.

    A bar belongs to the period in which it ends: one that is known at midnight belongs to the day that is over. An account
    that has lost everything has no return any more (0).
    """
    if not len(curve.times):
        return np.empty(0)
    of = (curve.times - 1) // TIMEFRAMES[period]
    ends = np.append(np.flatnonzero(of[1:] != of[:-1]), len(of) - 1)
    worth = np.concatenate(([deposit], curve.values[ends]))
    before, after = worth[:-1], worth[1:]
    alive = np.minimum.accumulate(before) > 0
    return np.where(alive, np.divide(after, before, out=np.ones_like(after), where=before != 0) - 1, 0.0)
