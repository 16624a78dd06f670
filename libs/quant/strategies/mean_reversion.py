"""Mean reversion in bands: a close far from its rolling mean is expected to come back to it.

The score z is the distance of the close from the mean of the last `length`, in standard deviations. A position against it
is taken where |z| is beyond `entry`, left where z has come back to `exit`, given up beyond `stop`; one given up is not
taken again before z has come back. Source: Lo and MacKinlay (1990), When Are Contrarian Profits Due to Stock Market
Overreaction?, for trading against the last move; Avellaneda and Lee (2010), Statistical Arbitrage in the US Equities
Market, for the bands.
"""

from math import isnan
from typing import NamedTuple

from libs.quant.folds.contract import BarView, Strategy
from libs.quant.indicators import zscore


class Params(NamedTuple):
    """Bands in standard deviations: 0 <= exit < entry < stop."""

    length: int = 20  # bars of the mean and the standard deviation
    entry: float = 2.0
    exit: float = 0.5
    stop: float = 4.0  # |z| cannot exceed sqrt(length - 1)
    short: int = 0  # 1: also against a close that is too high


class Position(NamedTuple):
    """What the bands have come to."""

    side: float  # 1 long, -1 short, 0 none
    stopped: float  # the side last given up, 0 once the score has come back


class State(NamedTuple):
    """What a restart has to find again."""

    score: zscore.State
    position: Position
    target: float


def init(params: Params) -> State:
    """Nothing seen, no opinion."""
    return State(zscore.init(params.length), Position(0.0, 0.0), float("nan"))


def step(state: State, bar: BarView, params: Params) -> tuple[State, float]:
    """Target 1 while long, -1 while short, 0 between; unchanged while there is no score."""
    score, z = zscore.step(state.score, bar.close)
    if isnan(z):
        return State(score, state.position, state.target), state.target
    position = reverted(state.position, z, params.entry, params.exit, params.stop)
    if position.side < 0.0 and not params.short:
        position = Position(0.0, position.stopped)
    return State(score, position, position.side), position.side


def reverted(position: Position, z: float, entry: float, exit: float, stop: float) -> Position:
    """The position after the score `z` (standard deviations, finite): out where it has come back or gone too far, then in."""
    side, stopped = position
    if stopped != 0.0 and -z * stopped <= exit:
        stopped = 0.0
    against = -z * side  # how far the score is on the side that was entered on
    if side != 0.0 and against > stop:
        side, stopped = 0.0, side
    elif side != 0.0 and against <= exit:
        side = 0.0
    if side == 0.0 and stopped == 0.0 and entry < abs(z) <= stop:
        side = -1.0 if z > 0.0 else 1.0
    return Position(side, stopped)


def check(params: Params) -> str | None:
    """A window that has a deviation, bands in order, a switch that is one."""
    if not 2 <= params.length <= 10_000:
        return f"expected 2 <= length <= 10000, got length={params.length}"
    if params.short not in (0, 1):
        return f"expected short to be 0 or 1, got short={params.short}"
    return check_bands(params.entry, params.exit, params.stop)


def check_bands(entry: float, exit: float, stop: float) -> str | None:
    """What is wrong with the bands, or None."""
    if 0.0 <= exit < entry < stop <= 1_000.0:
        return None
    return f"expected 0 <= exit < entry < stop <= 1000, got exit={exit}, entry={entry}, stop={stop}"


STRATEGY = Strategy(
    name="mean_reversion",
    params=Params,
    state=State,
    init=init,
    step=step,
    warmup=lambda params: params.length,
    check=check,
    source="Lo and MacKinlay (1990); Avellaneda and Lee (2010)",
    ranges={"length": (5, 250), "entry": (1.0, 3.0), "exit": (0.0, 0.9), "stop": (3.1, 6.0), "short": (0, 1)},
)
