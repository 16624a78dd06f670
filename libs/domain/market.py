"""What a market says: quotes, trades, bars, and the clock that goes with them.

Prices and sizes here are float64, exactly as recorded or drawn; ticks and lots begin at sizing.
Every time is market time: integer nanoseconds since the epoch, UTC.
"""

from typing import Literal

import msgspec


class Quote(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """Best bid and ask of one symbol at one moment."""

    venue: str
    symbol: str
    seq: int  # per (venue, symbol, kind), without gaps
    ts: int
    bid: float
    ask: float
    bid_size: float
    ask_size: float


class TradeTick(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """One trade somebody made."""

    venue: str
    symbol: str
    seq: int
    ts: int
    price: float
    size: float


class Bar(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """Trades of one stretch of time. A stretch without a trade has no bar."""

    venue: str
    symbol: str
    seq: int
    timeframe: str
    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class QuoteBar(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """Quotes of one stretch of time, as recorded. Simulated fills on recorded minutes use its opens."""

    venue: str
    symbol: str
    seq: int
    timeframe: str
    start: int
    bid_open: float
    bid_high: float
    bid_low: float
    bid_close: float
    bid_size: float  # at the close
    ask_open: float
    ask_high: float
    ask_low: float
    ask_close: float
    ask_size: float  # at the close


class BadRow(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What a feed could not read or the checks refused: kept aside with its reason, never traded on."""

    venue: str
    symbol: str
    ts: int
    reason: str
    raw: str


MarketEvent = Quote | TradeTick | Bar | QuoteBar
Phase = Literal["free", "venue", "decide"]


class Clock(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The market's clock: sent at least each second of host time, and whenever bars have closed."""

    session_id: str
    market_time: int
    speed: float  # market seconds per host second; 0 in lockstep
    closed: list[tuple[str, int, int]]  # (timeframe, bar start, number of bars of both kinds): stored, then published
    noticed_ns: int  # host time at which the collector noticed that these bars had closed
    events: int  # quotes, trades and bars published of this step: in lockstep a reader waits for all of them
    step: int  # counts the distinct market times of a lockstep session
    phase: Phase = "free"
    state: Literal["running", "finished"] = "running"
