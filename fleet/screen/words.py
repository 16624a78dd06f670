"""Numbers and times as the screen shows them: short, aligned, and with a sign where the colour alone would tell."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from rich.text import Text

from fleet.tables import change

_BARS: Final = "▁▂▃▄▅▆▇█"
GAIN: Final = "green"
LOSS: Final = "red"
WARN: Final = "yellow"


def lasted(seconds: float) -> str:
    """A duration in its two largest units."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02d}h"


def moment(ns: int) -> str:
    """Date and time of a market time, UTC."""
    return f"{datetime.fromtimestamp(ns // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%S}"


def price(value: float | None, decimals: int) -> str:
    """With the decimals of its tick, and no more than seven digits in all where they do not matter."""
    if value is None or not math.isfinite(value):
        return "-"
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 1
    return f"{value:,.{min(decimals, max(2, 7 - whole))}f}"


def gain(value: Decimal | float | None) -> Text:
    """Money with its sign, to the cent; the colour says no more than the sign."""
    if value is None:
        return Text("-")
    said = change(value)
    return Text(said, style=GAIN if said[0] == "+" else LOSS if said[0] == "-" else "")


def gained(share: float | None) -> Text:
    """A share as per cent with its sign."""
    if share is None:
        return Text("-")
    rounded = round(share, 4)
    return Text(f"{rounded:+.2%}" if rounded else "0.00%", style=GAIN if rounded > 0 else LOSS if rounded < 0 else "")


def sparkline(values: Sequence[float], width: int) -> str:
    """The newest values as a line of small bars, lowest to highest of those shown."""
    shown = values[-width:] if width > 0 else ()
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    if high == low:
        return _BARS[3] * len(shown)
    top = len(_BARS) - 1
    return "".join(_BARS[round((value - low) / (high - low) * top)] for value in shown)


def counted(number: int, one: str) -> str:
    """`1 alert`, `3 alerts`."""
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"
