"""Pairs: two symbols that move together; the spread between them is traded against when it has opened too far.

Log closes of the first are regressed on those of the second by least squares over the last `length` steps. The slope is
the hedge ratio; the score z is the newest residual over the standard deviation of all. Entered, left and given up in the
bands of `mean_reversion`, long one and short the other. Source: Gatev, Goetzmann and Rouwenhorst (2006), Pairs Trading;
Chan (2013), Algorithmic Trading, for the rolling hedge ratio and its score.
"""

from math import log, sqrt
from typing import Final, NamedTuple

from libs.quant.folds.contract import PanelView, Strategy
from libs.quant.strategies.mean_reversion import Position, check_bands, reverted

ROUNDING: Final = 1e-12
"""A variance below this share of the sum it was taken from is rounding, not movement."""


class Params(NamedTuple):
    """Bands in standard deviations of the spread: 0 <= exit < entry < stop."""

    length: int = 60  # steps of the regression in which both symbols have a bar
    entry: float = 2.0
    exit: float = 0.5
    stop: float = 4.0


class Sums(NamedTuple):
    """Sums over the window of log closes less an origin within it, so that little cancels."""

    y_origin: float
    x_origin: float
    y: float
    x: float
    yy: float
    xx: float
    xy: float


class State(NamedTuple):
    """What a restart has to find again."""

    ys: list[float]  # ring of the last `length` log closes of the first symbol
    xs: list[float]  # the same of the second
    seen: int
    sums: Sums  # of no meaning until the rings are full
    position: Position
    targets: list[float]


def init(params: Params, width: int) -> State:
    """Nothing seen, no opinions."""
    empty = [0.0] * params.length
    return State(empty, list(empty), 0, Sums(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), Position(0.0, 0.0), [float("nan")] * width)


def step(state: State, bars: PanelView, params: Params) -> tuple[State, list[float]]:
    """At an entry +-0.5 of the first and -+0.5 x hedge ratio of the second, at most 1; held until the exit, then 0 and 0.

    The hedge ratio of the entry stays. Where it is not positive the two do not move together: no entry, and out.
    A step in which one has no bar (NaN) is passed over.
    """
    ys, xs, seen, sums, position, targets = state
    first, second = bars.close
    if first != first or second != second:
        return state, targets
    y, x = log(first), log(second)
    at = seen % params.length
    y_left, ys[at] = ys[at], y
    x_left, xs[at] = xs[at], x
    seen += 1
    if at == params.length - 1:
        sums = _summed(ys, xs)  # afresh once a round, so that rounding never adds up
    elif seen > params.length:
        sums = _moved(sums, y, x, y_left, x_left)
    if seen >= params.length:
        hedge, z = _spread(sums, y, x, params.length)
        was, position = position, reverted(position, z, params.entry, params.exit, params.stop)
        if position.side == 0.0:
            targets = [0.0, 0.0]
        elif position.side != was.side:
            targets = [0.5 * position.side, -min(1.0, 0.5 * hedge) * position.side]
    return State(ys, xs, seen, sums, position, targets), targets


def _summed(ys: list[float], xs: list[float]) -> Sums:
    y_origin, x_origin = ys[0], xs[0]
    total_y = total_x = yy = xx = xy = 0.0
    for n in range(len(ys)):
        y, x = ys[n] - y_origin, xs[n] - x_origin
        total_y += y
        total_x += x
        yy += y * y
        xx += x * x
        xy += x * y
    return Sums(y_origin, x_origin, total_y, total_x, yy, xx, xy)


def _moved(sums: Sums, y: float, x: float, y_left: float, x_left: float) -> Sums:
    """The window one step on: (y, x) came, (y_left, x_left) went."""
    y_origin, x_origin, total_y, total_x, yy, xx, xy = sums
    y, x, y_left, x_left = y - y_origin, x - x_origin, y_left - y_origin, x_left - x_origin
    return Sums(
        y_origin,
        x_origin,
        total_y + y - y_left,
        total_x + x - x_left,
        yy + y * y - y_left * y_left,
        xx + x * x - x_left * x_left,
        xy + x * y - x_left * y_left,
    )


def _spread(sums: Sums, y: float, x: float, length: int) -> tuple[float, float]:
    """(hedge ratio, score of the newest residual); a score of 0 where there is no pair: nothing moves, or not together."""
    y_mean, x_mean = sums.y / length, sums.x / length
    yy, xx, xy = sums.yy - sums.y * y_mean, sums.xx - sums.x * x_mean, sums.xy - sums.x * y_mean
    if xx <= ROUNDING * sums.xx or xy <= 0.0:
        return 0.0, 0.0
    hedge = xy / xx
    left = yy - hedge * xy
    if left <= ROUNDING * sums.yy:
        return hedge, 0.0
    residual = y - sums.y_origin - y_mean - hedge * (x - sums.x_origin - x_mean)
    return hedge, residual / sqrt(left / length)


def check(params: Params) -> str | None:
    """A window that leaves residuals, bands in order."""
    if not 3 <= params.length <= 10_000:
        return f"expected 3 <= length <= 10000, got length={params.length}"
    return check_bands(params.entry, params.exit, params.stop)


STRATEGY = Strategy(
    name="pairs",
    params=Params,
    state=State,
    init=init,
    step=step,
    warmup=lambda params: params.length,
    check=check,
    source="Gatev, Goetzmann and Rouwenhorst (2006); Chan (2013)",
    ranges={"length": (10, 250), "entry": (1.0, 3.0), "exit": (0.0, 0.9), "stop": (3.1, 6.0)},
    panel=True,
    width=(2, 2),
)
