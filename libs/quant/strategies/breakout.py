"""Channel breakout with a volatility stop: in on a new high of `entry` bars, out on a new low of `exit` bars or at the stop.

Source: Donchian's channel rule as the Turtles traded it: Faith (2007), Way of the Turtle, system 1 without its filter.
The stop lies `stop` average true ranges (Wilder 1978) from the close of the entry, with the range of that bar.
"""

from typing import NamedTuple

from libs.quant.folds.contract import BarView, Strategy
from libs.quant.indicators import atr, donchian


class Params(NamedTuple):
    """Lengths in bars: 1 <= exit <= entry."""

    entry: int = 20  # channel whose break is an entry
    exit: int = 10  # channel whose break is an exit
    atr: int = 20
    stop: float = 2.0  # average true ranges from the close of the entry
    short: int = 0  # 1: also short on a new low


class State(NamedTuple):
    """What a restart has to find again. The lines are those before the newest bar."""

    wide: donchian.State
    narrow: donchian.State
    ranges: atr.State
    wide_lines: donchian.Lines
    narrow_lines: donchian.Lines
    stop: float  # price
    target: float


def init(params: Params) -> State:
    """Nothing seen, no opinion."""
    nan = float("nan")
    none = donchian.Lines(nan, nan, nan)
    return State(donchian.init(params.entry), donchian.init(params.exit), atr.init(params.atr), none, none, nan, nan)


def step(state: State, bar: BarView, params: Params) -> tuple[State, float]:
    """Target 1 from a close above the wide channel, -1 (if `short`) from one below it, 0 from the exit on."""
    close = bar.close
    wide, wide_lines = donchian.step(state.wide, bar.high, bar.low)
    narrow, narrow_lines = donchian.step(state.narrow, bar.high, bar.low)
    ranges, reach = atr.step(state.ranges, bar.high, bar.low, close)
    stop, target = state.stop, state.target
    if reach == reach and state.wide_lines.upper == state.wide_lines.upper:
        if target > 0.0:
            out = close < state.narrow_lines.lower or close < stop
        else:
            out = target != 0.0 and (close > state.narrow_lines.upper or close > stop)
        if out or target != target:
            target = 0.0
        if target <= 0.0 and close > state.wide_lines.upper:
            target, stop = 1.0, close - params.stop * reach
        elif target >= 0.0 and close < state.wide_lines.lower and params.short:
            target, stop = -1.0, close + params.stop * reach
    return State(wide, narrow, ranges, wide_lines, narrow_lines, stop, target), target


def check(params: Params) -> str | None:
    """Channels in order, a range to measure, a switch that is one."""
    if not 1 <= params.exit <= params.entry <= 10_000:
        return f"expected 1 <= exit <= entry <= 10000, got exit={params.exit}, entry={params.entry}"
    if not 1 <= params.atr <= 10_000:
        return f"expected 1 <= atr <= 10000, got atr={params.atr}"
    if not 0.0 < params.stop <= 1_000.0:
        return f"expected 0 < stop <= 1000, got stop={params.stop}"
    if params.short not in (0, 1):
        return f"expected short to be 0 or 1, got short={params.short}"
    return None


STRATEGY = Strategy(
    name="breakout",
    params=Params,
    state=State,
    init=init,
    step=step,
    warmup=lambda params: max(params.entry, params.atr) + 1,
    check=check,
    source="Donchian; Faith (2007); Wilder (1978)",
    ranges={"entry": (10, 100), "exit": (2, 50), "atr": (2, 50), "stop": (0.5, 5.0), "short": (0, 1)},
)
