"""Recordings in the two shapes most files come in."""

from collections.abc import Mapping
from typing import Final

from libs.venues.replay.dataset import Recording

DATES: Final[Mapping[str, str]] = {"ts": "date"}


def quotes_and_trades(symbol: str, stem: str, timeframe: str = "1m") -> tuple[Recording, Recording]:
    """The quote bars and the trade bars of a symbol."""
    return (
        Recording(path=f"{stem}_quote.parquet", layout="quote_bars", symbol=symbol, timeframe=timeframe),
        Recording(path=f"{stem}_trade.parquet", layout="trade_bars", symbol=symbol, timeframe=timeframe),
    )


def trade_bars(symbol: str, path: str, timeframe: str) -> Recording:
    """Trade bars alone."""
    return Recording(path=path, layout="trade_bars", symbol=symbol, timeframe=timeframe)


def daily(symbol: str, path: str) -> Recording:
    """Trade bars of a session each, named by its date."""
    return Recording(path=path, layout="trade_bars", symbol=symbol, timeframe="1d", stamp="date", names=DATES)
