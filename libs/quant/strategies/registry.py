"""Every strategy by the name the configuration knows it by."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from libs.quant.strategies.contract import Strategy
from libs.quant.strategies.sma_cross import SMA_CROSS

STRATEGIES: Final[dict[str, Strategy]] = {s.name: s for s in (SMA_CROSS,)}


def find(name: str) -> Strategy:
    """The strategy of that name.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    try:
        return STRATEGIES[name]
    except KeyError:
        raise ValueError(f"no strategy class {name!r}; there are: {', '.join(sorted(STRATEGIES))}") from None


def parameters(strategy: Strategy, given: Mapping[str, float | int]) -> Any:
    """Parameters of a strategy from configured numbers; those not given take their defaults.

    Raises:
        ValueError: an unknown name or a value out of range, saying what was expected.
    """
    known = strategy.params._fields
    for name in given:
        if name not in known:
            raise ValueError(f"{strategy.name} has no parameter {name!r}; it has: {', '.join(known)}")
    try:
        types = strategy.params.__annotations__
        values = {name: msgspec.convert(value, types[name]) for name, value in given.items()}
    except msgspec.ValidationError as error:
        raise ValueError(f"{strategy.name}: {error}, got {dict(given)}") from error
    params = strategy.params(**values)
    if wrong := strategy.check(params):
        raise ValueError(f"{strategy.name}: {wrong}")
    return params
