"""How else the same results could have come: drawn anew, in another order, or in blocks, thousands of times from one seed.

A result is what a trade, a day or any other period gained: a share of the equity before it, which compounds, or a share of the deposit,
which adds up (`compounded=False`: trades of a fixed size). An account that has nothing left stays at nothing.
"""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from libs.quant.risk.measures.checks import Matrix, Vector, series, share
from libs.quant.validation.block_length import block_length
from libs.quant.validation.sharpe import ROUNDING

MOST_DRAWN: Final = 10**9
"""Results in all runs together: some minutes of work. More are asked for by mistake."""
MOST_RUNS: Final = 10_000_000
"""Five figures of each are kept until the end: 400 MB, however few results a run has."""
RUIN: Final = 0.5
"""Half of the deposit lost: what is left has to double to make it good."""
QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
_AT_ONCE: Final = 1 << 17
"""Results that are worked on at one time. Part of what a seed means: another number draws other runs."""

Method = Literal["drawn", "shuffled", "blocks"]
Rows = NDArray[np.intp]
"""Which results each run is made of, shape (runs, results)."""


class Terms(NamedTuple):
    """What is played with the results."""

    deposit: float  # money that each run begins with
    seed: int
    runs: int = 10_000
    ruin: float = RUIN  # share of the deposit whose loss ends an account
    compounded: bool = True  # results are shares of the equity before them; False: of the deposit


class Spread(NamedTuple):
    """A figure over all runs, by quantile: so large or smaller it is in 5, 25, 50, 75 and 95 of 100 runs."""

    p5: float
    p25: float
    p50: float
    p75: float
    p95: float


class Observed(NamedTuple):
    """The same figures of the results in the order in which they came."""

    final_equity: float
    max_drawdown: float
    sharpe: float
    longest_fall: float


class MonteCarlo(NamedTuple):
    """What became of the deposit over all runs. Fractions are not per cent."""

    method: Method
    terms: Terms
    steps: int  # results in each run
    block: float  # mean length of a block, in results; 1 where each is drawn by itself
    final_equity: Spread
    max_drawdown: Spread  # largest fall from a high, as a share of it
    sharpe: Spread  # mean over deviation (n - 1) of the results, per result, without interest; 0 when they never differ
    longest_fall: Spread  # most results in a row below an earlier high, the deposit being the first
    loss_probability: float  # that a run ends below the deposit
    ruin_probability: float  # that a run has lost the share of ruin of the deposit at any time


def observed(results: ArrayLike, terms: Terms) -> Observed:
    """What the results themselves come to, to be laid beside the runs.

    Args:
        results: shape (n,), the oldest first.

    Raises:
        TooShort: fewer than two results.
        ValueError: what is no finite number, or terms that cannot be.
    """
    seen = _seen(_checked(results, terms)[None, :], compounded=terms.compounded)
    return Observed(float(seen.final[0]) * terms.deposit, float(seen.drawdown[0]), float(seen.sharpe[0]), float(seen.longest[0]))


def drawn(results: ArrayLike, terms: Terms) -> MonteCarlo:
    """As many results as there are, each drawn from all of them with replacement: had luck dealt otherwise.

    Right where results have nothing to do with each other. Source: B. Efron, Bootstrap Methods, Annals of Statistics 7 (1979).

    Args:
        results: shape (n,), the oldest first.

    Raises:
        TooShort: fewer than two results.
        ValueError: what is no finite number, or terms that cannot be.
    """
    found = _checked(results, terms)
    return _run("drawn", found, lambda draw, runs: draw.integers(0, len(found), (runs, len(found)), dtype=np.intp), terms)


def shuffled(results: ArrayLike, terms: Terms) -> MonteCarlo:
    """The very same results in another order. All runs end with the same equity: what differs is the way there.

    Args:
        results: as for `drawn`; it raises the same.
    """
    found = _checked(results, terms)
    order = np.arange(len(found))
    return _run("shuffled", found, lambda draw, runs: draw.permuted(np.broadcast_to(order, (runs, len(order))), axis=1), terms)


def blocks(results: ArrayLike, terms: Terms, length: float | None = None) -> MonteCarlo:
    """Stretches of results in a row, so that bad times come together as they did.

    The stationary bootstrap: a stretch begins anywhere, ends after each result with probability 1 / length, and after the last result goes
    on with the first. Source: D. N. Politis and J. P. Romano, The Stationary Bootstrap, JASA 89 (1994).

    Args:
        results: as for `drawn`; it raises the same.
        length: mean of a block, 1 or more; None: the longer one that `block_length` finds for the results and for their sizes, since
            large moves that come together deepen falls also where no result tells the sign of the next.
    """
    found = _checked(results, terms)
    mean = max(block_length(found), block_length(np.abs(found))) if length is None else length
    if not 1.0 <= mean < np.inf:
        raise ValueError(f"Expected a mean length of blocks of 1 or more, got {mean}")
    return _run("blocks", found, lambda draw, runs: _stretches(draw, runs, len(found), mean), terms, mean)


def _stretches(draw: np.random.Generator, runs: int, steps: int, mean: float) -> Rows:
    places = np.arange(steps)
    begins = draw.random((runs, steps)) < 1.0 / mean
    begins[:, 0] = True
    since = np.maximum.accumulate(np.where(begins, places, 0), axis=1)
    firsts = draw.integers(0, steps, (runs, steps), dtype=np.intp)
    return np.asarray((np.take_along_axis(firsts, since, axis=1) + places - since) % steps, dtype=np.intp)


def _checked(results: ArrayLike, terms: Terms) -> Vector:
    found = series(results, "results", least=2)
    share(terms.ruin, "ruin")
    if not 0.0 < terms.deposit < np.inf:
        raise ValueError(f"Expected a deposit above 0, got {terms.deposit}")
    most = min(MOST_RUNS, MOST_DRAWN // len(found))
    if not 1 <= terms.runs <= most:
        raise ValueError(f"Expected from 1 to {most:,} runs of {len(found):,} results, got {terms.runs:,}")
    return found


class _Seen(NamedTuple):
    """Of some runs, shape (runs,) each."""

    final: Vector  # shares of the deposit
    drawdown: Vector
    sharpe: Vector
    longest: Vector
    lowest: Vector  # shares of the deposit


def _run(method: Method, results: Vector, rows: Callable[[np.random.Generator, int], Rows], terms: Terms, block: float = 1.0) -> MonteCarlo:
    draw = np.random.Generator(np.random.PCG64(terms.seed))
    at_once = max(1, _AT_ONCE // len(results))
    counts = [min(at_once, terms.runs - begin) for begin in range(0, terms.runs, at_once)]
    parts = [_seen(results[rows(draw, count)], compounded=terms.compounded) for count in counts]
    seen = _Seen(*(np.concatenate(part) for part in zip(*parts, strict=True)))
    return MonteCarlo(
        method=method,
        terms=terms,
        steps=len(results),
        block=float(block),
        final_equity=_spread(seen.final * terms.deposit),
        max_drawdown=_spread(seen.drawdown),
        sharpe=_spread(seen.sharpe),
        longest_fall=_spread(seen.longest),
        loss_probability=float((seen.final < 1.0 - ROUNDING).mean()),
        ruin_probability=float((seen.lowest <= 1.0 - terms.ruin).mean()),
    )


def _seen(results: Matrix, *, compounded: bool) -> _Seen:
    """Of runs in rows. What has nothing left stays there, whatever would come."""
    worth = np.asarray(np.cumprod(1.0 + results, axis=1) if compounded else 1.0 + np.cumsum(results, axis=1), dtype=np.float64)
    lowest = np.minimum.accumulate(worth, axis=1)
    worth[lowest <= 0.0] = 0.0
    highs = np.maximum(np.maximum.accumulate(worth, axis=1), 1.0)
    steps = np.arange(1, results.shape[1] + 1, dtype=np.int32)
    at_high = np.maximum.accumulate(np.where(worth == highs, steps, np.int32(0)), axis=1)
    mean, deviation = results.mean(axis=1), results.std(axis=1, ddof=1)
    moves = deviation > ROUNDING * np.abs(results).max(axis=1)
    return _Seen(
        final=worth[:, -1].copy(),
        drawdown=(1.0 - worth / highs).max(axis=1),
        sharpe=np.divide(mean, deviation, out=np.zeros_like(mean), where=moves),
        longest=(steps - at_high).max(axis=1).astype(np.float64),
        lowest=lowest[:, -1].copy(),
    )


def _spread(values: Vector) -> Spread:
    return Spread(*np.quantile(values, QUANTILES).tolist())
