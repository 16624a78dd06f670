"""The market as this desk has heard it last: what an order met when it arrived, and when it ended."""

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple, assert_never

from libs.domain.market import Bar, MarketEvent, Quote, QuoteBar, TradeTick
from libs.domain.names import TIMEFRAMES


class Price(NamedTuple):
    """Where a market stands."""

    mid: Decimal  # between bid and ask; the last price where there is no quote
    spread: Decimal | None  # ask less bid; None where there is no quote


class Heard(NamedTuple):
    """When something was last said of a symbol."""

    market_time: int  # ns
    ticks: bool  # quotes or trades are heard of it; else only bars


class Quotes:
    """Newest quote of each symbol, else its newest trade."""

    def __init__(self) -> None:
        self._quotes: dict[str, Quote | QuoteBar] = {}
        self._trades: dict[str, TradeTick | Bar] = {}
        self._ticks: set[str] = set()  # symbols of which more is heard than bars

    def hear(self, events: Iterable[MarketEvent]) -> None:
        """Takes the market in, in its order."""
        for event in events:
            if isinstance(event, Quote | QuoteBar):
                self._quotes[event.symbol] = event
            else:
                self._trades[event.symbol] = event
            if isinstance(event, Quote | TradeTick):
                self._ticks.add(event.symbol)

    def heard(self, symbol: str) -> Heard | None:
        """The newest word of a symbol; None while there was none."""
        known = [event for event in (self._quotes.get(symbol), self._trades.get(symbol)) if event is not None]
        if not known:
            return None
        newest = max(event.ts if isinstance(event, Quote | TradeTick) else event.start + TIMEFRAMES[event.timeframe] for event in known)
        return Heard(newest, ticks=symbol in self._ticks)

    def price(self, symbol: str) -> Price | None:
        """Where the market of a symbol stands; None while nothing was heard of it."""
        quote = self._quotes.get(symbol)
        bid, ask = (quote.bid, quote.ask) if isinstance(quote, Quote) else (quote.bid_close, quote.ask_close) if quote else (0.0, 0.0)
        if bid > 0 and ask > 0:  # zero or NaN is how vendors say that a side is empty
            low, high = Decimal(str(bid)), Decimal(str(ask))
            return Price((low + high) / 2, high - low)
        match self._trades.get(symbol):
            case TradeTick(price=last) | Bar(close=last):
                return Price(Decimal(str(last)), None) if last > 0 else None
            case None:
                return None
            case never:
                assert_never(never)
