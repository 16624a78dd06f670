"""Time-series momentum: a market that has risen over the lookback is held long, one that has fallen is held short or not at all.

Source: Moskowitz, Ooi and Pedersen (2012), Time Series Momentum: the sign of the past return, held until the next
rebalancing. Their position is also scaled by volatility; `trend_vol_target` does that.
"""

from typing import NamedTuple

from libs.quant.folds.contract import BarView, Strategy


class Params(NamedTuple):
    """Lengths in bars."""

    lookback: int = 120  # the return is taken over so many
    skip: int = 0  # newest bars left out of it
    every: int = 20  # from one rebalancing to the next
    short: int = 0  # 1: short after a fall; 0: flat


class State(NamedTuple):
    """What a restart has to find again."""

    closes: list[float]  # ring of the last lookback + skip + 1
    seen: int
    target: float


def init(params: Params) -> State:
    """Nothing seen, no opinion."""
    return State([0.0] * warmup(params), 0, float("nan"))


def step(state: State, bar: BarView, params: Params) -> tuple[State, float]:
    """At a rebalancing target 1 after a rise, -1 (or 0, long only) after a fall, 0 after neither; unchanged between two."""
    closes, seen, target = state
    length = len(closes)
    at = seen % length
    closes[at] = bar.close
    seen += 1
    if seen >= length and (seen - length) % params.every == 0:
        rise = closes[at - params.skip] - closes[at + 1 - length]
        target = 1.0 if rise > 0.0 else -1.0 if rise < 0.0 and params.short else 0.0
    return State(closes, seen, target), target


def warmup(params: Params) -> int:
    """The return's first close, and all up to the newest."""
    return params.lookback + params.skip + 1


def check(params: Params) -> str | None:
    """Lengths within reason, a switch that is one."""
    if not (1 <= params.lookback <= 10_000 and 0 <= params.skip <= 10_000 and 1 <= params.every <= 10_000):
        return (
            "expected 1 <= lookback <= 10000, 0 <= skip <= 10000 and 1 <= every <= 10000, "
            f"got lookback={params.lookback}, skip={params.skip}, every={params.every}"
        )
    if params.short not in (0, 1):
        return f"expected short to be 0 or 1, got short={params.short}"
    return None


STRATEGY = Strategy(
    name="momentum",
    params=Params,
    state=State,
    init=init,
    step=step,
    warmup=warmup,
    check=check,
    source="Moskowitz, Ooi and Pedersen (2012)",
    ranges={"lookback": (5, 250), "skip": (0, 20), "every": (1, 60), "short": (0, 1)},
)
