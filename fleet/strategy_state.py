"""A strategy's stored state with the names of its fields, for a person: why it said what it said."""

from collections.abc import Sequence
from math import isnan
from pathlib import Path
from types import GenericAlias
from typing import Any, Final

import msgspec

from libs.common.settings import ConfigError, from_toml
from libs.domain.configuration import StrategiesConfig, StrategyConfig
from libs.quant.folds.registry import configured
from libs.quant.price_volatility import Volatility
from libs.store.queries.stories import StrategyTold

SHOWN: Final = 3
"""Values shown at either end of a long list."""


class StateTold(msgspec.Struct, frozen=True, kw_only=True):
    """A fold just after a bar: what the strategy remembers, and what its engine does for it."""

    fields: dict[str, Any]
    note: str  # what the strategy says of its fields; "" when nothing
    targets: list[float | None]  # last emitted, by symbol
    volatility: list[dict[str, Any]]  # by symbol, of a strategy sized by it


def configuration(strategy_id: str, stored: StrategyTold, folder: Path, environment: str) -> StrategyConfig:
    """The strategy's configuration: that of the file while it is of the same class, else what the record keeps of it.

    The record keeps neither sizing nor members.
    """
    try:
        listed = from_toml(StrategiesConfig, folder, "strategies", environment).strategy
    except ConfigError:
        listed = []
    found = next((c for c in listed if c.id == strategy_id and c.class_name == stored.class_name), None)
    return found or StrategyConfig(
        id=strategy_id,
        class_name=stored.class_name,
        symbols=stored.symbols,
        account=stored.account,
        allocation=stored.allocation,
        params=stored.params,
    )


def told(state: bytes, config: StrategyConfig) -> StateTold:
    """A stored state with its names.

    Raises:
        ValueError: the strategy is not what it was when it stored this; the message says what does not fit.
    """
    strategy = configured(config).strategy
    kept = GenericAlias(tuple, (strategy.state, list[float | None], list[Volatility]))
    try:
        fields, targets, volatility = msgspec.msgpack.decode(state, type=kept)
    except msgspec.DecodeError as error:
        raise ValueError(f"it is not of {strategy.name} as it is now: {error}") from error
    doc = (strategy.state.__doc__ or "").strip().partition("\n")[0]
    note = "" if doc.startswith(f"{strategy.state.__name__}(") else doc  # a NamedTuple without a docstring describes itself
    return StateTold(fields=plain(fields), note=note, targets=targets, volatility=[plain(v) for v in volatility])


def plain(value: Any) -> Any:
    """NamedTuples as dicts, at any depth."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: plain(item) for name, item in zip(value._fields, value, strict=True)}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def words(value: Any) -> str:
    """A value on one line; long lists by their length and their ends."""
    match value:
        case None:
            return "none"
        case float():
            return "none" if isnan(value) else f"{value:,.10g}"
        case bool() | str():
            return str(value)
        case int():
            return f"{value:,}"
        case dict():
            return ", ".join(f"{name} {words(item)}" for name, item in value.items())
        case list():
            return _list(value)
        case _:
            return str(value)


def _list(values: Sequence[Any]) -> str:
    items = [f"({words(v)})" if isinstance(v, dict) else words(v) for v in values]
    if len(items) <= 2 * SHOWN:
        return f"[{'; '.join(items)}]"
    return f"[{len(items)} values: {'; '.join(items[:SHOWN])} ... {'; '.join(items[-SHOWN:])}]"
