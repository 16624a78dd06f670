"""Trend following at a constant risk: the side of a moving average crossover, the smaller the more volatile the market is.

Long while the fast exponential mean of closes is above the slow one; the size is the volatility wanted over the
volatility measured, at most 1. Source: Moskowitz, Ooi and Pedersen (2012), Time Series Momentum, for positions inverse to
volatility; Harvey, Hoyle, Korgaonkar, Rattray, Sargaison and van Hemert (2018), The Impact of Volatility Targeting, for
its estimate: exponentially weighted squared returns with a half-life in bars.
"""

from math import floor, log, sqrt
from typing import NamedTuple

from libs.quant.folds.contract import BarView, Strategy
from libs.quant.indicators import ema


class Params(NamedTuple):
    """Lengths in bars: 1 <= fast < slow."""

    fast: int = 16
    slow: int = 64
    half_life: int = 20  # of a squared return's weight
    target_vol: float = 0.10  # a year, as a fraction: 0.10 is 10 %
    bars_per_year: float = 252.0  # daily stock bars; 98280 for minutes of stocks, 525600 for minutes of crypto
    step: float = 0.1  # targets are multiples of it, and move only when they are one off
    short: int = 0  # 1: short in a falling trend; 0: flat


class State(NamedTuple):
    """What a restart has to find again."""

    fast: ema.State
    slow: ema.State
    close: float  # of the last bar
    seen: int
    squares: float  # weighted sum of squared log returns
    weights: float
    steps: int  # the target in steps


def init(params: Params) -> State:
    """Nothing seen, no opinion."""
    return State(ema.init(params.fast), ema.init(params.slow), 0.0, 0, 0.0, 0.0, 0)


def step(state: State, bar: BarView, params: Params) -> tuple[State, float]:
    """Target in multiples of `params.step`, changed when the side changes or the size is a whole step away."""
    fast, slow, last, seen, squares, weights, steps = state
    fast, fast_mean = ema.step(fast, bar.close)
    slow, slow_mean = ema.step(slow, bar.close)
    if seen > 0:
        keep = 0.5 ** (1.0 / params.half_life)
        squares = keep * squares + log(bar.close / last) ** 2
        weights = keep * weights + 1.0
    seen += 1
    target, ready = float("nan"), warmup(params)
    if seen >= ready:
        side = 1.0 if fast_mean > slow_mean else -1.0 if fast_mean < slow_mean and params.short else 0.0
        volatility = sqrt(squares / weights * params.bars_per_year)
        size = 1.0 if volatility <= params.target_vol else params.target_vol / volatility
        wanted = side * size / params.step
        if seen == ready or abs(wanted - steps) >= 1.0:  # from one side to the other or to none it is always a step
            steps = floor(wanted + 0.5)
        target = max(-1.0, min(1.0, steps * params.step))
    return State(fast, slow, bar.close, seen, squares, weights, steps), target


def warmup(params: Params) -> int:
    """A full slow mean, and a half-life of returns."""
    return max(params.slow, params.half_life + 1)


def check(params: Params) -> str | None:
    """Lengths in order, rates and sizes that are some, a switch that is one."""
    if not 1 <= params.fast < params.slow <= 10_000:
        return f"expected 1 <= fast < slow <= 10000, got fast={params.fast}, slow={params.slow}"
    if not 1 <= params.half_life <= 10_000:
        return f"expected 1 <= half_life <= 10000, got half_life={params.half_life}"
    if not 0.0 < params.target_vol <= 100.0:
        return f"expected 0 < target_vol <= 100, got target_vol={params.target_vol}"
    if not 1.0 <= params.bars_per_year <= 1e9:
        return f"expected 1 <= bars_per_year <= 1e9, got bars_per_year={params.bars_per_year}"
    if not 0.001 <= params.step <= 1.0:
        return f"expected 0.001 <= step <= 1, got step={params.step}"
    if params.short not in (0, 1):
        return f"expected short to be 0 or 1, got short={params.short}"
    return None


STRATEGY = Strategy(
    name="trend_vol_target",
    params=Params,
    state=State,
    init=init,
    step=step,
    warmup=warmup,
    check=check,
    source="Moskowitz, Ooi and Pedersen (2012); Harvey et al. (2018)",
    ranges={
        "fast": (2, 50),
        "slow": (5, 250),
        "half_life": (2, 100),
        "target_vol": (0.02, 0.5),
        "step": (0.05, 0.5),
        "short": (0, 1),
    },
    unsearched=frozenset({"bars_per_year"}),  # it follows from the bars
)
