"""Bad on purpose: looks for the series in the frames that called it and trades on the next bar."""

import sys
from collections.abc import Sequence
from types import FrameType
from typing import NamedTuple

from libs.quant.folds.contract import BarView, Strategy


class Params(NamedTuple):
    threshold: float = 0.0


class State(NamedTuple):
    seen: int


def series() -> Sequence[BarView]:
    """The longest that any caller holds."""
    frame: FrameType | None = sys._getframe(1)
    found: list[Sequence[BarView]] = []
    while frame is not None:
        found.append(frame.f_locals.get("bars", ()))
        frame = frame.f_back
    return max(found, key=len)


def step(state: State, bar: BarView, params: Params) -> tuple[State, float]:
    bars = series()
    seen = state.seen + 1
    later = bars[seen].close if seen < len(bars) else bar.close  # the peek
    return State(seen), 1.0 if later - bar.close > params.threshold else 0.0


STRATEGY = Strategy(
    name="caller_frame",
    params=Params,
    state=State,
    init=lambda params: State(0),
    step=step,
    warmup=lambda params: 1,
    check=lambda params: None,
    source="none",
    ranges={"threshold": (-1.0, 1.0)},
)
