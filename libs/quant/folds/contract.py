"""What a strategy is: a fold over closed bars. Source in, state in; state and target out; no I/O, no clock."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class BarView(NamedTuple):
    """What a per-symbol strategy sees of a closed bar: plain floats, prices in the instrument's currency."""

    open: float
    high: float
    low: float
    close: float
    volume: float


class PanelView(NamedTuple):
    """What a panel strategy sees of the bars that closed together: one value per symbol in configured order, NaN without a bar."""

    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float]


@dataclass(frozen=True)
class Strategy:
    """A fold. `params` and `state` are NamedTuples of numbers and fixed lists, so that they compile and store.

    Per symbol (the default) one independent fold runs on each symbol; a panel is one fold over all of them.
    """

    name: str
    params: type[Any]
    state: type[Any]
    init: Callable[..., Any]
    """(params) -> state; of a panel (params, width) -> state, `width` being the number of symbols."""
    step: Callable[[Any, Any, Any], tuple[Any, Any]]
    """(state, bar, params) -> (state, target). Target is a fraction of the strategy's capital, -1 to 1, 0 flat,
    NaN no opinion; of a panel one per symbol. May change the state it was given in place: who stores a state copies it."""
    warmup: Callable[[Any], int]
    """Bars up to and including the first that may have a target that is not NaN."""
    check: Callable[[Any], str | None]
    """What is wrong with these parameters, or None."""
    source: str
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Lowest and highest sensible value of each parameter, both included; what searches and property tests draw from."""
    unsearched: frozenset[str] = frozenset()
    """Parameters without a range: facts of the market, not choices. No search draws them unless it is told to, no check moves them."""
    panel: bool = False
    width: tuple[int, int] = (1, 10_000)
    """Fewest and most symbols of a panel."""
    members: tuple[int, int] = (0, 0)
    """Fewest and most strategies it is made of; (0, 0) for one that stands alone."""
    combine: Callable[..., "Strategy"] | None = None
    """Of a strategy of strategies: (members) -> the strategy over them; see registry."""
