"""Numbers and times as people read them: with thousands separators, market time in UTC. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

NONE: Final = "-"
_SHORT: Final = 8
"""Characters of an id or a fingerprint that people are shown."""


def number(value: Decimal | float | None) -> str:
    """As exact as it is, without trailing zeros; floats to ten digits."""
    if value is None:
        return NONE
    if isinstance(value, float):
        return f"{value:,.10g}"
    whole, point, rest = f"{value:,f}".partition(".")
    rest = rest.rstrip("0")
    return f"{whole}{point}{rest}" if rest else whole


def money(value: Decimal | float | None) -> str:
    """To the cent."""
    return NONE if value is None else f"{value:,.2f}"


def change(value: Decimal | float) -> str:
    """To the cent, with its sign; nothing has none."""
    return f"{value:+,.2f}" if round(value, 2) else "0.00"


def share(value: float | None) -> str:
    """A fraction as per cent."""
    return NONE if value is None else f"{value:.1%}"


def ratio(value: float | None) -> str:
    """Two decimals."""
    return NONE if value is None else f"{value:,.2f}"


def short(id_: UUID | str) -> str:
    """The beginning of an id or a fingerprint, which commands take in place of the whole."""
    return str(id_)[:_SHORT] or NONE


def called(name: str, params: Mapping[str, float]) -> str:
    """A strategy with its parameters: `sma_cross(fast=5, slow=20)`."""
    return f"{name}({', '.join(f'{key}={value:g}' for key, value in params.items())})"


def moment(at: datetime) -> str:
    """Date and time in UTC; milliseconds where there are some."""
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}" + (f".{at.microsecond // 1000:03}" if at.microsecond else "")


def time_of_day(at: datetime) -> str:
    """The same without the date."""
    return moment(at).partition(" ")[2]
