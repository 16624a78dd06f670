"""Bad on purpose: made with the whole series at hand, and reads one bar ahead in it."""

from collections.abc import Sequence
from typing import NamedTuple

from libs.quant.folds.contract import BarView, Strategy


class Params(NamedTuple):
    threshold: float = 0.0


class State(NamedTuple):
    seen: int


def build(bars: Sequence[BarView]) -> Strategy:
    tape = [bar.close for bar in bars]

    def step(state: State, bar: BarView, params: Params) -> tuple[State, float]:
        seen = state.seen + 1
        later = tape[seen] if seen < len(tape) else bar.close  # the peek
        return State(seen), 1.0 if later - bar.close > params.threshold else 0.0

    return Strategy(
        name="closed_over_tape",
        params=Params,
        state=State,
        init=lambda params: State(0),
        step=step,
        warmup=lambda params: 1,
        check=lambda params: None,
        source="none",
        ranges={"threshold": (-1.0, 1.0)},
    )
