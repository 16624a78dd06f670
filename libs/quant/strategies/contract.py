"""What a strategy is: a fold over closed bars. Source in, state in; state and target out; no I/O, no clock."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple


class BarView(NamedTuple):
    """What a strategy sees of a closed bar: plain floats, prices in the instrument's currency."""

    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True)
class Strategy:
    """A per-symbol fold. `params` and `state` are NamedTuples of numbers and fixed lists, so that they compile and store."""

    name: str
    params: type[Any]
    state: type[Any]
    init: Callable[[Any], Any]
    step: Callable[[Any, BarView, Any], tuple[Any, float]]
    """(state, bar, params) -> (state, target). Target is a fraction of the strategy's capital, -1 to 1, 0 flat,
    NaN no opinion. May change the state it was given in place: who stores a state copies it first."""
    warmup: Callable[[Any], int]
    """Bars before the first target that is not NaN."""
    check: Callable[[Any], str | None]
    """What is wrong with these parameters, or None."""
    source: str
