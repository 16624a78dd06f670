"""Bad on purpose: reads the bar after the last, where a live market has none."""

from collections.abc import Sequence
from typing import NamedTuple

from libs.quant.folds.contract import BarView, Strategy


class Params(NamedTuple):
    ahead: int = 1


class State(NamedTuple):
    seen: int


def build(bars: Sequence[BarView]) -> Strategy:
    def step(state: State, bar: BarView, params: Params) -> tuple[State, float]:
        later = bars[state.seen + params.ahead]  # the peek
        return State(state.seen + 1), 1.0 if later.close > bar.close else 0.0

    return Strategy(
        name="past_the_end",
        params=Params,
        state=State,
        init=lambda params: State(0),
        step=step,
        warmup=lambda params: 1,
        check=lambda params: None,
        source="none",
        ranges={"ahead": (1, 5)},
    )
