"""Every strategy by the name of its file: `libs/quant/strategies/<name>.py` defines STRATEGY. There is no list to keep."""

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import msgspec

from libs.domain.configuration import MemberConfig, StrategyConfig
from libs.quant import strategies
from libs.quant.folds.contract import Strategy


class Member(NamedTuple):
    """A strategy within a strategy of strategies."""

    strategy: Strategy
    params: Any
    weight: float


class Configured(NamedTuple):
    """A strategy ready to run."""

    strategy: Strategy
    params: Any


def names() -> list[str]:
    """Every strategy there is."""
    return sorted(module.name for module in pkgutil.iter_modules(strategies.__path__))


@cache
def find(name: str) -> Strategy:
    """The strategy of that name.

    Raises:
        ValueError: there is none, and the message lists those there are; or its file does not define it.
    """
    if name not in names():
        raise ValueError(f"no strategy class {name!r}; there are: {', '.join(names())}")
    path = f"libs/quant/strategies/{name}.py"
    try:
        found = importlib.import_module(f"{strategies.__name__}.{name}").STRATEGY
    except AttributeError:
        raise ValueError(f"{path} defines no STRATEGY") from None
    except Exception as error:
        raise ValueError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    if not isinstance(found, Strategy) or found.name != name:
        raise ValueError(f"{path}: expected STRATEGY to be a Strategy called {name!r}, got {getattr(found, 'name', found)!r}")
    return found


def parameters(strategy: Strategy, given: Mapping[str, float | int]) -> Any:
    """Parameters of a strategy from configured numbers; those not given take their defaults.

    Raises:
        ValueError: an unknown name or a value out of range, saying what was expected.
    """
    known = strategy.params._fields
    for name in given:
        if name not in known:
            raise ValueError(f"{strategy.name} has no parameter {name!r}; it has: {', '.join(known)}")
    values = {}
    for name, value in given.items():
        wanted = strategy.params.__annotations__[name]
        try:
            values[name] = msgspec.convert(value, wanted)
        except msgspec.ValidationError:
            kind = "a whole number" if wanted is int else "a number"
            raise ValueError(f"{strategy.name}: expected {kind} as {name}, got {value!r}") from None
    params = strategy.params(**values)
    if wrong := strategy.check(params):
        raise ValueError(f"{strategy.name}: {wrong}")
    return params


def configured(config: StrategyConfig) -> Configured:
    """The strategy of a configuration, with its members, and its parameters.

    Raises:
        ValueError: a class, a parameter or the number of members is wrong; the message says which and what was expected.
    """
    strategy = find(config.class_name)
    return Configured(_made_of(strategy, config.members), parameters(strategy, config.params))


def _made_of(strategy: Strategy, members: Sequence[MemberConfig]) -> Strategy:
    fewest, most = strategy.members
    if not fewest <= len(members) <= most:
        wanted = "no members" if most == 0 else f"{fewest} to {most} members"
        raise ValueError(f"{strategy.name}: expected {wanted}, got {len(members)}")
    if strategy.combine is None:
        return strategy
    return strategy.combine([_member(strategy.name, member) for member in members])


def _member(of: str, config: MemberConfig) -> Member:
    strategy = find(config.class_name)
    if strategy.panel:
        raise ValueError(f"{of}: a member is a strategy of one symbol, and {strategy.name} is a panel")
    return Member(_made_of(strategy, config.members), parameters(strategy, config.params), config.weight)
