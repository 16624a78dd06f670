"""Bad on purpose: the classic, a z-score by mean and deviation of the whole series, computed on the first step and kept."""

from collections.abc import Sequence
from statistics import fmean, pstdev
from typing import NamedTuple

from libs.quant.folds.contract import BarView, Strategy


class Params(NamedTuple):
    entry: float = 0.5


class State(NamedTuple):
    mean: float
    deviation: float


def build(bars: Sequence[BarView]) -> Strategy:
    def normalised() -> State:
        closes = [bar.close for bar in bars]  # the peek
        mean = fmean(closes)
        return State(mean, pstdev(closes, mean))

    def step(state: State, bar: BarView, params: Params) -> tuple[State, float]:
        z = (bar.close - state.mean) / state.deviation
        return state, 1.0 if z < -params.entry else 0.0

    return Strategy(
        name="whole_sample",
        params=Params,
        state=State,
        init=lambda params: normalised(),
        step=step,
        warmup=lambda params: 1,
        check=lambda params: None,
        source="none",
        ranges={"entry": (0.0, 3.0)},
    )
