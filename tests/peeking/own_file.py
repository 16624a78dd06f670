"""Bad on purpose: brings the recorded series along. No run over other bars shows it, its code does."""

from pathlib import Path
from typing import NamedTuple

from libs.quant.folds.contract import BarView, Strategy


class Params(NamedTuple):
    threshold: float = 0.0


class State(NamedTuple):
    seen: int


def recorded() -> list[float]:
    file = Path("closes.txt")  # the peek
    return [float(line) for line in file.read_text().split()] if file.exists() else []


def step(state: State, bar: BarView, params: Params) -> tuple[State, float]:
    later = recorded()[state.seen + 1 : state.seen + 2]
    return State(state.seen + 1), 1.0 if later and later[0] - bar.close > params.threshold else 0.0


STRATEGY = Strategy(
    name="own_file",
    params=Params,
    state=State,
    init=lambda params: State(0),
    step=step,
    warmup=lambda params: 1,
    check=lambda params: None,
    source="none",
    ranges={"threshold": (-1.0, 1.0)},
)
