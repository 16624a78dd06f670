"""What is wrong with a piece of market data. A refusal is words with a code in front, fit for a quarantine row."""

from collections.abc import Iterable
from math import isfinite
from typing import Final

from libs.domain.actions import CorporateAction
from libs.domain.instruments import Instrument
from libs.domain.market import Bar, MarketEvent, Quote, QuoteBar, TradeTick
from libs.domain.names import TIMEFRAMES
from libs.quant.adjustments import Adjustments

JUMP: Final = 0.5
"""Largest believable move from one event of a kind to the next, as a fraction of the earlier price."""


class _Seen:
    """The last accepted event of one kind and symbol, and the level of a jump refused just before."""

    __slots__ = ("level", "suspect", "ts")

    def __init__(self, ts: int, level: float) -> None:
        self.ts = ts
        self.level = level
        self.suspect: float | None = None


class Checker:
    """Judges market data event by event. It remembers, per kind and symbol, the last event it accepted."""

    def __init__(self, instruments: Iterable[Instrument], actions: Iterable[CorporateAction] = (), jump: float = JUMP) -> None:
        """`jump` is a fraction: 0.5 refuses a price more than 50 % from the one before, in the units that `actions` leave."""
        self._symbols = frozenset(instrument.symbol for instrument in instruments)
        self._adjustments = Adjustments(actions, since=0)
        self._jump = jump
        self._seen: dict[tuple[type, str, str], _Seen] = {}

    def refusal(self, event: MarketEvent) -> str | None:
        """Why `event` may not be traded on, as `code: expected ..., got ...`; None when it is good.

        Codes: unknown_symbol, not_finite, not_positive, negative_volume, crossed, high_low, out_of_order, jump.
        A jump is refused once: a second event in a row at the new level shows that the market has moved there.
        """
        if event.symbol not in self._symbols:
            return f"unknown_symbol: expected one of {', '.join(sorted(self._symbols))}, got {event.symbol}"
        return fault(event) or self._misplaced(event)

    def _misplaced(self, event: MarketEvent) -> str | None:
        ts, price = _moment(event), _level(event)
        units = self._adjustments.volume(event.symbol, _latest(event))
        level = price * units  # in the units of the beginning, whatever has been split since
        key = (type(event), event.symbol, event.timeframe if isinstance(event, Bar | QuoteBar) else "")
        seen = self._seen.get(key)
        if seen is None:
            self._seen[key] = _Seen(ts, level)
            return None
        # Two ticks may share a moment, two bars of one stretch may not.
        if ts < seen.ts or (ts == seen.ts and key[2]):
            return f"out_of_order: expected a time {'after' if key[2] else 'from'} {seen.ts}, got {ts}"
        if self._far(level, seen.level) and (seen.suspect is None or self._far(level, seen.suspect)):
            seen.suspect = level
            return f"jump: expected a price within {self._jump:.0%} of {seen.level / units}, got {price}"
        seen.ts, seen.level, seen.suspect = ts, level, None
        return None

    def _far(self, level: float, reference: float) -> bool:
        return abs(level - reference) > self._jump * reference


def fault(event: MarketEvent) -> str | None:
    """What is wrong with the event by itself; None when its numbers make sense together."""
    match event:
        case Quote():
            return _quote_fault(event)
        case TradeTick():
            return _numbers(("price",), (event.price,), ("size",), (event.size,))
        case Bar():
            prices = (event.open, event.high, event.low, event.close)
            return _numbers(_OHLC, prices, ("volume",), (event.volume,)) or _high_low("", prices)
        case QuoteBar():
            return _quote_bar_fault(event)


_OHLC = ("open", "high", "low", "close")
_BID = ("bid_open", "bid_high", "bid_low", "bid_close")
_ASK = ("ask_open", "ask_high", "ask_low", "ask_close")


def _quote_fault(quote: Quote) -> str | None:
    prices, sizes = (quote.bid, quote.ask), (quote.bid_size, quote.ask_size)
    return _numbers(("bid", "ask"), prices, ("bid_size", "ask_size"), sizes) or _crossed(*prices)


def _quote_bar_fault(bar: QuoteBar) -> str | None:
    bids = (bar.bid_open, bar.bid_high, bar.bid_low, bar.bid_close)
    asks = (bar.ask_open, bar.ask_high, bar.ask_low, bar.ask_close)
    return (
        _numbers(_BID + _ASK, bids + asks, ("bid_size", "ask_size"), (bar.bid_size, bar.ask_size))
        or _high_low("bid ", bids)
        or _high_low("ask ", asks)
        or _crossed(bids[0], asks[0], " at the open")
        or _crossed(bids[3], asks[3], " at the close")
    )


def _numbers(price_names: tuple[str, ...], prices: tuple[float, ...], size_names: tuple[str, ...], sizes: tuple[float, ...]) -> str | None:
    """Faults of single numbers: prices are above 0, sizes not below."""
    if not all(map(isfinite, prices + sizes)):
        pairs = zip(price_names + size_names, prices + sizes, strict=True)
        name, value = next(pair for pair in pairs if not isfinite(pair[1]))
        return f"not_finite: expected a number as {name}, got {value}"
    if min(prices) <= 0:
        name, value = next(pair for pair in zip(price_names, prices, strict=True) if pair[1] <= 0)
        return f"not_positive: expected {name} above 0, got {value}"
    if min(sizes) < 0:
        name, value = next(pair for pair in zip(size_names, sizes, strict=True) if pair[1] < 0)
        return f"negative_volume: expected {name} of 0 or more, got {value}"
    return None


def _crossed(bid: float, ask: float, when: str = "") -> str | None:
    return f"crossed: expected bid <= ask{when}, got bid {bid} and ask {ask}" if bid > ask else None


def _high_low(side: str, prices: tuple[float, ...]) -> str | None:
    opened, high, low, close = prices
    if low <= min(opened, close) and max(opened, close) <= high:
        return None
    return f"high_low: expected {side}low <= open, close <= high, got open {opened}, high {high}, low {low}, close {close}"


def _moment(event: MarketEvent) -> int:
    return event.start if isinstance(event, Bar | QuoteBar) else event.ts


def _latest(event: MarketEvent) -> int:
    """The last moment that the event tells of: a coarse bar may start before the open from which a split holds."""
    return event.start + TIMEFRAMES[event.timeframe] - 1 if isinstance(event, Bar | QuoteBar) else event.ts


def _level(event: MarketEvent) -> float:
    match event:
        case Quote():
            return (event.bid + event.ask) / 2
        case TradeTick():
            return event.price
        case Bar():
            return event.close
        case QuoteBar():
            return (event.bid_close + event.ask_close) / 2
