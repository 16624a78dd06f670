"""What the options of `fleet backtest run` ask for, as the backtester's spec."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from libs.common.settings import from_toml
from libs.domain.configuration import AccountConfig, LimitConfig, RiskConfig, StrategiesConfig, SystemConfig
from libs.venues.bar_faults import BadData
from libs.venues.replay.dataset import DataNotFound
from services.backtester.data import NoData
from services.backtester.spec import ACCOUNT, Spec

WRONG: Final = (BadData, DataNotFound, NoData, ValueError)
"""What is wrong with what was asked for; the message says what."""

_INTEGER: Final = re.compile(r"[+-]?\d+")
_OPTIONS: Final = {
    "params": "--param",
    "exits.stop_bps": "--stop-loss",
    "exits.target_bps": "--take-profit",
    "exits.trail_bps": "--trailing-stop",
}
"""Options that are not called as the spec calls their field."""


def spec_of(base: Mapping[str, Any], given: Mapping[str, Any]) -> Spec:
    """A spec from a base (a file's, the configuration's, or nothing) with the options laid over it.

    Raises:
        ValueError: it is none; the message names the option and what was expected.
    """
    merged = {**base, **given}
    try:
        return msgspec.convert(merged, Spec, strict=False)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        if not where:
            raise ValueError(what) from error
        field = where.removesuffix("`")
        option = _OPTIONS.get(field) or "--" + field.partition(".")[0].partition("[")[0].replace("_", "-")
        value = merged.get(field, "")
        raise ValueError(f"{option}{f' {value}' if value else ''}: {what}") from error


def from_file(path: Path) -> dict[str, Any]:
    """The spec that a JSON file holds, or what of it options are to complete.

    Raises:
        ValueError: it cannot be read, or is no JSON object.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except OSError as error:
        raise ValueError(f"--spec {path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise ValueError(f"--spec {path}: expected a JSON object, {error}") from error
    except RecursionError as error:
        raise ValueError(f"--spec {path}: expected a JSON object, its lists or objects lie too deep in each other") from error


def from_configuration(folder: Path, environment: str, name: str | None) -> dict[str, Any]:
    """The operator's account with its enabled strategies, limits and the terms of the paper venue.

    Args:
        name: of the account; None for the only one.

    Raises:
        ConfigError: a file cannot be used.
        ValueError: there is no such account, or there are several and none is named.
    """
    system = from_toml(SystemConfig, folder, "system", environment)
    account = _account(system.account, name)
    strategies = from_toml(StrategiesConfig, folder, "strategies", environment).strategy
    enabled = [strategy for strategy in strategies if strategy.enabled and strategy.account == account.name]
    if not enabled:
        raise ValueError(f"{folder / 'strategies.toml'} has no strategy that is enabled in account {account.name}")
    return {
        "strategies": msgspec.to_builtins(enabled),
        "limits": msgspec.to_builtins([_renamed(limit, account) for limit in limits(folder, environment)]),
        "cash": str(account.deposit),
        "currency": "" if account.base_currency == "market" else account.base_currency,
        "allow_short": account.allow_short,
        "day_starts_at": account.day_starts_at,
        "day_tz": account.day_tz,
        **{name: str(value) for name, value in msgspec.structs.asdict(system.paper).items()},
    }


def limits(folder: Path, environment: str) -> list[LimitConfig]:
    """The operator's limits.

    Raises:
        ConfigError: the file cannot be used.
    """
    return from_toml(RiskConfig, folder, "risk", environment).limit


def _account(accounts: Sequence[AccountConfig], name: str | None) -> AccountConfig:
    names = ", ".join(account.name for account in accounts) or "none"
    if name is None and len(accounts) != 1:
        raise ValueError(f"--config: say which account with --account; there are: {names}")
    found = next((account for account in accounts if name in (None, account.name)), None)
    if found is None:
        raise ValueError(f"--account {name}: there are: {names}")
    return found


def _renamed(limit: LimitConfig, account: AccountConfig) -> LimitConfig:
    """Limits of the account hold for the backtest's, which stands for it."""
    if limit.scope == "account" and limit.key == account.name:
        return msgspec.structs.replace(limit, key=ACCOUNT)
    return limit


def params(given: Sequence[str]) -> dict[str, float | int]:
    """`fast=5` as a number by name.

    Raises:
        ValueError: one is not of this form.
    """
    return dict(map(_param, given))


def _param(text: str) -> tuple[str, float | int]:
    name, _, value = text.partition("=")
    try:
        return name.strip(), int(value) if _INTEGER.fullmatch(value.strip()) else float(value)
    except ValueError:
        raise ValueError(f"--param {text}: expected NAME=NUMBER") from None


def entry(text: str) -> dict[str, Any]:
    """`market`, `limit:BPS`, `stop:BPS` or `stop_limit:BPS:BPS`.

    Raises:
        ValueError: it is none of these.
    """
    kind, *numbers = text.split(":")
    fields = {"market": (), "limit": ("offset_bps",), "stop": ("offset_bps",), "stop_limit": ("offset_bps", "limit_bps")}
    if kind in fields and len(numbers) == len(fields[kind]):
        return {"kind": kind, **{name: bps("--entry", number) for name, number in zip(fields[kind], numbers, strict=True)}}
    raise ValueError(f"--entry {text}: expected market, limit:BPS, stop:BPS or stop_limit:BPS:BPS")


def exits(**given: str | None) -> dict[str, float]:
    """Distances by the names of their fields, those that are given.

    Raises:
        ValueError: one is no distance.
    """
    return {name: bps(_OPTIONS[f"exits.{name}"], text) for name, text in given.items() if text is not None}


def bps(option: str, text: str) -> float:
    """A distance: above 0 and below the whole price.

    Raises:
        ValueError: it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 10_000:
        raise ValueError(f"{option} {text}: expected basis points above 0 and below 10000")
    return value


def switch(option: str, text: str) -> bool:
    """`on` or `off`.

    Raises:
        ValueError: it is neither.
    """
    if text not in ("on", "off"):
        raise ValueError(f"{option} {text}: expected on or off")
    return text == "on"
