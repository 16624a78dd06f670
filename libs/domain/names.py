"""Names that people type: symbols and timeframes, checked where they enter the fleet."""

import re
from typing import Final

SYMBOL: Final = re.compile(r"[A-Z0-9][A-Z0-9./:\-]{0,31}")

TIMEFRAMES: Final[dict[str, int]] = {
    "1s": 1_000_000_000,
    "1m": 60_000_000_000,
    "5m": 300_000_000_000,
    "15m": 900_000_000_000,
    "30m": 1_800_000_000_000,
    "1h": 3_600_000_000_000,
    "4h": 14_400_000_000_000,
    "1d": 86_400_000_000_000,
}
"""Length of each bar in nanoseconds."""


def is_symbol(text: str) -> bool:
    """Whether `text` can name an instrument: `AAPL`, `BTC/USDT`, `ES.202403`; at most 32 characters."""
    return SYMBOL.fullmatch(text) is not None
