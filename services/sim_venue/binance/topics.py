"""Names of market streams: `btcusd@trade`, `btcusd@depth5@100ms`, `btcusd@kline_1m`, `!ticker@arr`."""

import re
from typing import Final, Literal, NamedTuple

from libs.quant.sim_venue.listings import Listing
from services.sim_venue.binance.errors import VenueError
from services.sim_venue.binance.klines import LENGTHS
from services.sim_venue.binance.symbols import Symbols
from services.sim_venue.binance.tickers import window

Kind = Literal["trade", "aggTrade", "bookTicker", "depth", "partial", "kline", "ticker", "miniTicker", "rolling", "avgPrice"]
Pace = Literal["at once", "fast", "slow"]
"""With each event of the market, or each 100 ms or 1000 ms of host time."""

_ONE: Final = re.compile(r"([a-z0-9\-_.]{1,20})@([A-Za-z]+)([1-9]\d?)?(?:_(\w+))?(?:@(100ms|1000ms))?")
_ALL: Final = re.compile(r"!(ticker|miniTicker)(?:_(1h|4h|1d))?@arr")
_PLAIN: Final[dict[str, Kind]] = {
    "trade": "trade",
    "aggTrade": "aggTrade",
    "bookTicker": "bookTicker",
    "ticker": "ticker",
    "miniTicker": "miniTicker",
    "avgPrice": "avgPrice",
}
_LEVELS: Final = (5, 10, 20)
_ROLLING: Final = ("1h", "4h", "1d")


class Topic(NamedTuple):
    """A stream: what it tells, of which symbol (None: all), and how often."""

    name: str
    kind: Kind
    listing: Listing | None
    pace: Pace
    detail: str = ""  # the interval of candles, the size of a rolling window
    levels: int = 0  # of a partial book


def topic(name: str, symbols: Symbols) -> Topic | None:
    """The stream of a name; None when there is none."""
    everything = _ALL.fullmatch(name)
    if everything:
        kind, size = everything.groups()
        if size:
            return Topic(name, "rolling", None, "slow", detail=size) if kind == "ticker" else None
        return Topic(name, _PLAIN[kind], None, "slow")
    one = _ONE.fullmatch(name)
    if one is None:
        return None
    symbol, kind, levels, detail, speed = one.groups()
    try:
        listing = symbols.named(symbol.upper())
    except VenueError:
        return None
    return _of_symbol(name, listing, kind, int(levels or 0), detail or "", speed)


def _of_symbol(name: str, listing: Listing, kind: str, levels: int, detail: str, speed: str | None) -> Topic | None:
    if kind == "depth" and not detail:
        pace: Pace = "fast" if speed == "100ms" else "slow"
        if levels:
            return Topic(name, "partial", listing, pace, levels=levels) if levels in _LEVELS else None
        return Topic(name, "depth", listing, pace)
    if levels or speed:
        return None
    if kind == "kline":
        return Topic(name, "kline", listing, "slow", detail=detail) if detail in LENGTHS else None
    if kind == "ticker" and detail:
        return Topic(name, "rolling", listing, "slow", detail=detail) if detail in _ROLLING else None
    if detail or kind not in _PLAIN:
        return None
    at_once = kind in ("trade", "aggTrade", "bookTicker")
    return Topic(name, _PLAIN[kind], listing, "at once" if at_once else "slow")


def length_of(topic: Topic) -> int:
    """Of a rolling window, ns."""
    return window(topic.detail)
