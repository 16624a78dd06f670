"""Trades, quotes and bars as Alpaca's market data shows them, in answers and in frames. Pure.

Everything here trades at one place, the venue itself, under the code of the free feed's exchange (V). Sizes are shares.
Of bars the venue keeps neither the number of trades nor their average price: `n` and `vw` are null.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from libs.domain.market import Bar, Quote, TradeTick
from libs.domain.times import SECOND, iso
from services.sim_venue.alpaca.wire import Json

EXCHANGE: Final = "V"
TAPE: Final = "C"
_REGULAR: Final = ["@"]
_FIRM: Final = ["R"]

Stamp = Callable[[int], object]
"""UTC nanoseconds as a codec writes them: `iso` in JSON, `timestamp` in msgpack."""


def timestamp(ns: int) -> msgspec.msgpack.Ext:
    """MessagePack's own timestamp of 64 bits, exact to the nanosecond; good until the year 2514."""
    seconds, rest = divmod(ns, SECOND)
    return msgspec.msgpack.Ext(-1, (rest << 34 | seconds).to_bytes(8, "big"))


def trade_json(trade: TradeTick, stamp: Stamp = iso) -> Json:
    """One trade."""
    return {
        "t": stamp(trade.ts),
        "x": EXCHANGE,
        "p": trade.price,
        "s": size(trade.size),
        "c": _REGULAR,
        "i": trade.seq,
        "z": TAPE,
    }


def quote_json(quote: Quote, stamp: Stamp = iso) -> Json:
    """One best bid and ask."""
    return {
        "t": stamp(quote.ts),
        "ax": EXCHANGE,
        "ap": quote.ask,
        "as": size(quote.ask_size),
        "bx": EXCHANGE,
        "bp": quote.bid,
        "bs": size(quote.bid_size),
        "c": _FIRM,
        "z": TAPE,
    }


def bar_json(bar: Bar, stamp: Stamp = iso) -> Json:
    """One bar, by the time it begins at."""
    return {
        "t": stamp(bar.start),
        "o": bar.open,
        "h": bar.high,
        "l": bar.low,
        "c": bar.close,
        "v": size(bar.volume),
        "n": None,
        "vw": None,
    }


def size(value: float) -> float | int:
    """A whole number of shares without a decimal point."""
    return int(value) if value.is_integer() else value
