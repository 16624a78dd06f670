"""Bad on purpose: finds the columns that a backtest plays in the frames that called it, and trades on the next close."""

import sys
from types import FrameType
from typing import NamedTuple

from libs.domain.columns import Columns
from libs.quant.folds.contract import BarView, Strategy


class Params(NamedTuple):
    ahead: int = 1


class State(NamedTuple):
    seen: int


def columns() -> Columns | None:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        for held in frame.f_locals.values():
            if isinstance(held, Columns):
                return held
        frame = frame.f_back
    return None


def step(state: State, bar: BarView, params: Params) -> tuple[State, float]:
    found, seen = columns(), state.seen + params.ahead
    later = found.close[seen] if found is not None and seen < len(found.close) else bar.close  # the peek
    return State(state.seen + 1), 1.0 if later > bar.close else 0.0


STRATEGY = Strategy(
    name="columns_in_reach",
    params=Params,
    state=State,
    init=lambda params: State(0),
    step=step,
    warmup=lambda params: 1,
    check=lambda params: None,
    source="none",
    ranges={"ahead": (1, 5)},
)
