"""Parameters next to those of a strategy: what it would have been, had somebody chosen a little otherwise."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from libs.quant.folds.contract import Strategy
from libs.quant.folds.registry import parameters

SHARES: Final = (-0.25, -0.1, 0.1, 0.25)
"""Of its value, by which each parameter is moved."""
STEPS: Final = 20
"""One step of a range is this part of it; of whole numbers at least 1."""


class Neighbour(NamedTuple):
    """A strategy with one parameter moved."""

    moved: str  # which
    params: Mapping[str, float | int]

    def __str__(self) -> str:
        return f"{self.moved}={self.params[self.moved]:g}"


def neighbours(strategy: Strategy, params: Any) -> list[Neighbour]:
    """All that differ in one parameter with a range, by one step of it or by a share of its value, and that the strategy accepts."""
    here = params._asdict()
    found = []
    for name, value in ((name, here[name]) for name in here if name in strategy.ranges):
        values = {_kind(value, other) for other in _beside(strategy, name, value)} - {value}
        found += [Neighbour(name, {**here, name: other}) for other in sorted(values) if _accepted(strategy, {**here, name: other})]
    return found


def _beside(strategy: Strategy, name: str, value: float) -> Iterator[float]:
    low, high = strategy.ranges[name]
    step = (high - low) / STEPS
    if isinstance(value, int):
        step = max(1.0, float(int(step))) if STEPS * 5 < high - low else 1.0
    yield from (value - step, value + step)
    yield from (value * (1 + share) for share in SHARES)


def _kind(value: float | int, other: float) -> float | int:
    return round(other) if isinstance(value, int) else other


def _accepted(strategy: Strategy, params: Mapping[str, float | int]) -> bool:
    try:
        parameters(strategy, params)
    except ValueError:
        return False
    return True
