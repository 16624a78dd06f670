"""Bad on purpose: throws dice."""

import random
from typing import NamedTuple

from libs.quant.folds.contract import BarView, Strategy


class Params(NamedTuple):
    chance: float = 0.5


class State(NamedTuple):
    seen: int


def step(state: State, bar: BarView, params: Params) -> tuple[State, float]:
    thrown = random.random()  # the dice
    return State(state.seen + 1), 1.0 if thrown < params.chance else 0.0


STRATEGY = Strategy(
    name="dice",
    params=Params,
    state=State,
    init=lambda params: State(0),
    step=step,
    warmup=lambda params: 1,
    check=lambda params: None,
    source="none",
    ranges={"chance": (0.0, 1.0)},
)
