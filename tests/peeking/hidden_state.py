"""Bad on purpose: keeps what it has seen in its module, where no stored state finds it."""

from typing import NamedTuple

from libs.quant.folds.contract import BarView, Strategy

closes: list[float] = []


class Params(NamedTuple):
    length: int = 3


class State(NamedTuple):
    seen: int


def init(params: Params) -> State:
    closes.clear()  # a second run is the same; a restart is not
    return State(0)


def step(state: State, bar: BarView, params: Params) -> tuple[State, float]:
    closes.append(bar.close)
    mean = sum(closes[-params.length :]) / params.length  # what is lost
    return State(state.seen + 1), 1.0 if bar.close > mean else 0.0


STRATEGY = Strategy(
    name="hidden_state",
    params=Params,
    state=State,
    init=init,
    step=step,
    warmup=lambda params: params.length,
    check=lambda params: None,
    source="none",
    ranges={"length": (2, 9)},
)
