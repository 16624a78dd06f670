"""How likely the best of several trials is only the best fitted one: combinatorially symmetric cross-validation.

Source: D. H. Bailey, J. M. Borwein, M. Lopez de Prado and Q. J. Zhu, The Probability of Backtest Overfitting, Journal of Computational
Finance 20 (2017; 2015 as a working paper). The measure of a trial is its Sharpe ratio per period.
"""

from collections.abc import Iterator
from itertools import combinations
from math import comb
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from libs.quant.risk.measures.checks import Matrix, TooShort, Vector
from libs.quant.validation.sharpe import ROUNDING

BLOCKS: Final = 16
"""As in the paper: 12,870 ways to part them into halves."""
MOST_BLOCKS: Final = 20
LEAST_ROWS: Final = 2
"""Returns in each block, so that even two blocks have a deviation."""
_AT_ONCE: Final = 1 << 18
"""Numbers of a table that is worked on at one time: 2 MB, about what a core keeps near."""


class Overfitting(NamedTuple):
    """What was seen over all ways to choose on one half of the blocks and to look at the choice on the other."""

    probability: float  # that the best of one half is at the median of the other or below
    logits: Vector  # of the relative rank that the choice has on the other half, shape (combinations,); 0 is the median, below is worse
    slope: float  # of the ratio on the other half against that on the own: 1 carries over whole, 0 or below not at all
    loss_probability: float  # that the choice loses on the other half
    trials: int  # that could be compared
    blocks: int
    left_out: tuple[int, ...]  # columns with what is no finite number: they were not compared


def overfitting(returns: NDArray[Any], blocks: int = BLOCKS) -> Overfitting:
    """The probability of backtest overfitting, PBO.

    Blocks are of equal length, or one row longer. A half on which a trial never moves has the ratio 0, as one without trades; of equal
    trials the first is chosen, and equal ones share the mean of their ranks. A column with NaN or an infinity is left out and named.
    Equal columns have equal sums to the last digit, so copies of a trial are ties. Time grows with T N and with
    N x combinations; besides the returns some megabytes are used.

    Args:
        returns: per period, shape (T, N): one column for each trial, all over the same periods, the oldest first.
        blocks: S, even.

    Raises:
        TooShort: fewer than two rows for each block.
        ValueError: another shape, fewer than two columns to compare, or blocks that cannot be halved.
    """
    table = np.asarray(returns)
    if table.ndim != 2:
        raise ValueError(f"Expected returns of shape (periods, trials), got an array of shape {table.shape}")
    if blocks % 2 or not 2 <= blocks <= MOST_BLOCKS:
        raise ValueError(f"Expected an even number of blocks from 2 to {MOST_BLOCKS}, got {blocks}")
    if len(table) < LEAST_ROWS * blocks:
        raise TooShort(f"returns: expected at least {LEAST_ROWS * blocks} periods for {blocks} blocks, got {len(table)}")
    sums = _block_sums(table, blocks)
    left_out = tuple(int(n) for n in np.flatnonzero(~sums.finite))
    if table.shape[1] - len(left_out) < 2:
        raise ValueError(f"Expected at least 2 trials to compare, got {table.shape[1]}, of which {len(left_out)} have no finite returns")
    found = [_judged(sums, halves) for halves in _halves(blocks, max(1, _AT_ONCE // table.shape[1]))]
    own, other, logits = (np.concatenate(part) for part in zip(*found, strict=True))
    return Overfitting(
        probability=float((logits <= 0.0).mean()),
        logits=logits,
        slope=_slope(own, other),
        loss_probability=float((other < 0.0).mean()),
        trials=table.shape[1] - len(left_out),
        blocks=blocks,
        left_out=left_out,
    )


class _Sums(NamedTuple):
    """All that a Sharpe ratio of any blocks together needs; columns with what is not finite are no longer there."""

    rows: Vector  # of each block, shape (blocks,)
    mean: Vector  # of each trial over all, shape (trials,)
    largest: Vector  # absolute return of each trial
    first: Matrix  # sums of returns less that mean, shape (blocks, trials)
    second: Matrix  # sums of their squares
    finite: NDArray[np.bool_]  # of each column that came in


def _block_sums(table: NDArray[Any], blocks: int) -> _Sums:
    """Returns less the trial's mean are summed, so that small deviations around a large mean keep their digits."""
    edges = np.linspace(0, len(table), blocks + 1).astype(np.intp)
    with np.errstate(invalid="ignore", over="ignore"):
        mean = np.asarray(table.mean(axis=0, dtype=np.float64))
    finite = np.isfinite(mean)
    mean = mean[finite]
    first, second = np.zeros((blocks, len(mean))), np.zeros((blocks, len(mean)))
    largest = np.zeros(len(mean))
    step = max(1, _AT_ONCE // table.shape[1])
    for block in range(blocks):
        for begin in range(edges[block], edges[block + 1], step):
            part = np.asarray(table[begin : min(begin + step, edges[block + 1])], dtype=np.float64)[:, finite]
            np.maximum(largest, np.abs(part).max(axis=0), out=largest)
            part = part - mean
            first[block] += part.sum(axis=0)
            second[block] += (part * part).sum(axis=0)
    return _Sums(np.diff(edges).astype(np.float64), mean, largest, first, second, finite)


def _halves(blocks: int, at_once: int) -> Iterator[NDArray[np.bool_]]:
    """All ways to take half of the blocks, some at a time, shape (ways, blocks). For each the one that takes the others is there too."""
    chosen = np.array(list(combinations(range(blocks), blocks // 2)), dtype=np.intp)
    taken = np.zeros((comb(blocks, blocks // 2), blocks), dtype=np.bool_)
    np.put_along_axis(taken, chosen, True, axis=1)
    yield from (taken[begin : begin + at_once] for begin in range(0, len(taken), at_once))


def _judged(sums: _Sums, halves: NDArray[np.bool_]) -> tuple[Vector, Vector, Vector]:
    """Of each way: ratio of the choice on its own half, on the other, and the logit of its rank there."""
    own, other = _ratios(sums, halves), _ratios(sums, ~halves)
    ways = np.arange(len(halves))
    best = own.argmax(axis=1)
    seen = other[ways, best]
    below = (other < seen[:, None]).sum(axis=1)
    equal = (other == seen[:, None]).sum(axis=1)
    rank = (below + (equal + 1) / 2) / (other.shape[1] + 1)
    return own[ways, best], seen, np.log(rank / (1.0 - rank))


def _ratios(sums: _Sums, taken: NDArray[np.bool_]) -> Matrix:
    """Sharpe ratios over the blocks that are taken, shape (ways, trials).

    Added block by block and not by a matrix product, whose rounding hangs on the place of a column: equal trials shall stay equal.
    """
    rows = (taken @ sums.rows)[:, None]
    first, second = (np.zeros((len(taken), len(sums.mean))) for _ in range(2))
    for block in range(taken.shape[1]):
        weight = taken[:, block, None].astype(np.float64)
        first += weight * sums.first[block]
        second += weight * sums.second[block]
    deviation = np.sqrt(np.maximum(second - first * first / rows, 0.0) / (rows - 1.0))
    moves = deviation > ROUNDING * sums.largest
    return np.asarray(np.divide(sums.mean + first / rows, deviation, out=np.zeros_like(first), where=moves), dtype=np.float64)


def _slope(own: Vector, other: Vector) -> float:
    """By least squares; 0 where the ratio on the own half is always the same."""
    away = own - own.mean()
    spread = float(away @ away)
    return float(away @ other) / spread if spread > 0.0 else 0.0
