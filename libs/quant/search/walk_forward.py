"""Walk-forward: the best parameters of one window are traded in the next, which the choice has not seen.

Source: R. Pardo, The Evaluation and Optimization of Trading Strategies (2008), chapter 11.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from libs.domain.times import iso
from libs.quant.backtest.report import Equity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Times = NDArray[np.int64]

MOST: Final = 500
"""Windows of one walk-forward."""


class Window(NamedTuple):
    """Market ns. What is known after `begins` and by `chooses` decides which parameters trade until `ends`."""

    begins: int
    chooses: int
    ends: int


def windows(since: int, until: int, train: int, test: int, *, anchored: bool = False) -> list[Window]:
    """Windows one after another: tests meet without a gap and without an overlap, and the last one may be cut short by the data.

    Args:
        since, until: market ns at which the data begin and end.
        train, test: lengths, ns.
        anchored: every training begins where the data begin, and grows; else it rolls on with a fixed length.

    Raises:
        ValueError: there is no room for two of them; the message says what there is.
    """
    if train <= 0 or test <= 0:
        raise ValueError("expected lengths above 0 of training and test")
    count = -(-(until - since - train) // test)
    there = f"the data reach from {iso(since)} to {iso(until)}"
    if count < 2:
        raise ValueError(f"a walk-forward needs room for one training and at least two tests, and {there}: shorten --train or --test")
    if count > MOST:
        raise ValueError(f"these lengths make {count:,} windows, at most {MOST} are possible, and {there}: lengthen --test")
    starts = (since + n * test for n in range(count))
    return [Window(since if anchored else start, start + train, min(start + train + test, until)) for start in starts]


def stitched(curves: Sequence[Equity], deposit: float) -> Equity:
    """Equity of an account that trades every test after the one before it with all it has.

    Each test began with `deposit`; its growth is carried on. An account that has lost everything stays where it is.
    """
    worth, values = deposit, []
    for curve in curves:
        values.append(curve.values / deposit * worth if worth > 0 else np.full(len(curve.values), worth))
        worth = float(values[-1][-1]) if len(values[-1]) else worth
    return Equity(np.concatenate([curve.times for curve in curves]), np.concatenate(values))


def thinned(curve: Equity, most: int) -> Iterable[tuple[int, float]]:
    """(market ns, equity) of at most so many points, evenly, the last always among them."""
    kept = np.unique(np.linspace(0, len(curve.times) - 1, min(most, len(curve.times))).astype(np.int64))
    return zip(curve.times[kept].tolist(), curve.values[kept].tolist(), strict=True)
