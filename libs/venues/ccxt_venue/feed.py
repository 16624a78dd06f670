"""The market data of any venue that ccxt speaks to, as it happens."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple, Self

import msgspec

from libs.common.clocks import HostClock
from libs.domain.actions import CorporateAction
from libs.domain.configuration import VenueConfig
from libs.domain.instruments import Instrument
from libs.domain.market import BadRow, Quote, TradeTick
from libs.quant.bars import BarsOf
from libs.quant.fills import FillOn
from libs.venues.broker import OutcomeUnknown, Refused
from libs.venues.budget import Budget
from libs.venues.ccxt_venue import binance
from libs.venues.ccxt_venue.binance_market import BinanceMarket
from libs.venues.ccxt_venue.calls import Calls
from libs.venues.ccxt_venue.client import close_exchange, is_fluent, make_exchange, open_exchange
from libs.venues.ccxt_venue.connection import FLUENT, SUBSCRIBED_WITHIN_S, cause_of, lose, until
from libs.venues.ccxt_venue.mapping import instruments
from libs.venues.ccxt_venue.quote_time import LEAD_S, QuoteTime
from libs.venues.ccxt_venue.tape import Market
from libs.venues.ccxt_venue.unified_market import UnifiedMarket
from libs.venues.ccxt_venue.wire import Wire
from libs.venues.endpoint import Endpoint
from libs.venues.feed import FeedLink, FeedStep
from libs.venues.freshness import Freshness
from libs.venues.reconnecting import Backoff, ended, reconnecting
from libs.venues.timeline import QUOTES, TRADES

log = logging.getLogger(__name__)

MOST_SYMBOLS: Final = 200
"""Of one subscription, at Binance as in ccxt."""


class _Placed(NamedTuple):
    time: int
    rank: int  # as in `timeline`
    symbol: str
    event: Quote | TradeTick | BadRow


class CcxtFeed:
    """See `LiveFeed`. Quotes are live or nothing; trades that were missed are asked for.

    Times of trades are the venue's, to the millisecond. Binance sends spot quotes without a time: see `QuoteTime`.
    """

    seed: int = 0
    timeframes: tuple[str, ...] = ("1s", "1m")
    recorded_bars: bool = False
    actions: Sequence[CorporateAction] = ()  # coins have none
    live: bool = True
    times_quotes: bool = False

    def __init__(
        self, venue: VenueConfig, exchange: Any, wire: Wire, calls: Calls, start: int, speed: float, lead_s: float, backoff: Backoff
    ) -> None:
        """An exchange whose markets are loaded; see `open`."""
        self.name: str = venue.name
        self.venue: str = venue.name
        self.instruments: Sequence[Instrument] = instruments(exchange, venue.name, venue.symbols)
        symbols = [instrument.symbol for instrument in self.instruments]
        if len(symbols) > MOST_SYMBOLS:
            raise ValueError(f"Expected at most {MOST_SYMBOLS} symbols of {venue.name} in field `symbols`, got {len(symbols)}")
        self.bars_of: Mapping[str, BarsOf] = dict.fromkeys(symbols, "trade")
        self.fill_on: Mapping[str, FillOn] = dict.fromkeys(symbols, "quote")
        self.start: int = start
        self.speed: float = speed
        self._exchange = exchange
        self._fluent = is_fluent(venue)
        self._wire = wire
        self._calls = calls
        self._clock = wire.clock
        self._quote_time = QuoteTime(wire.clock, start, speed, lead_s)
        self._came: list[_Placed] = []
        self._news = asyncio.Event()
        self._seqs: defaultdict[tuple[type, str], int] = defaultdict(int)
        self._since = start  # market time up to which trades have been taken
        self._backoff = backoff
        self._fault = "not connected yet"
        self._connections = 0
        self._refilled = 0
        self._market: Market

    @classmethod
    async def open(
        cls,
        venue: VenueConfig,
        endpoint: Endpoint,
        *,
        clock: HostClock,
        start: int | None = None,
        speed: float = 1.0,
        lead_s: float = LEAD_S,
        probe_s: float = 5.0,
        mute_after_s: float = 20.0,
        backoff: Backoff | None = None,
    ) -> Self:
        """Imports ccxt and loads the markets.

        Args:
            start: market time now; None: that of this machine.
            speed: market seconds per host second.
            lead_s: host seconds for which market time may go on unheard, see `QuoteTime`.
            probe_s: host seconds of silence after which a socket is asked whether anybody is there, where it can be asked.
            mute_after_s: host seconds of silence after which it is given up.

        Raises:
            ValueError: ccxt has no such exchange, a symbol is not listed there, or there are too many.
            WrongKey: mode and address do not go together.
            OutcomeUnknown: the venue does not answer; try again.
        """
        exchange = make_exchange(venue, endpoint)
        wire = Wire(clock, Budget(venue.requests_per_minute, clock=clock))
        open_exchange(exchange, wire)
        try:
            calls = Calls(exchange, wire, binance.documented if venue.exchange in FLUENT else lambda answered: None)
            await _loaded(exchange, calls)
            feed = cls(venue, exchange, wire, calls, clock.now_ns() if start is None else start, speed, lead_s, backoff or Backoff())
            feed._market = feed._a_market(probe_s, mute_after_s)
        except BaseException:
            await close_exchange(exchange, wire)
            raise
        return feed

    def link(self) -> FeedLink:
        """See `LiveFeed`."""
        return FeedLink(not self._fault, self._fault, max(0, self._connections - 1), self._refilled)

    async def close(self) -> None:
        """See `LiveFeed`."""
        await close_exchange(self._exchange, self._wire)

    async def steps(self, after: int) -> AsyncIterator[FeedStep]:
        """See `MarketDataFeed`. Without an `after`, from where the market was when the feed was opened."""
        self._since = last = after if after > 0 else self.start
        listener = asyncio.create_task(reconnecting(self._connection, self._broken, self._backoff))
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                for step in self._steps(last):
                    last = step.time
                    yield step
        finally:
            await ended(listener)

    def _steps(self, last: int) -> Iterator[FeedStep]:
        """What has come, by time. What was overtaken keeps its own time, in a step of the moment at which it became known."""
        came, self._came = self._came, []
        for time, placed in groupby(sorted(came, key=itemgetter(0, 1, 2)), key=itemgetter(0)):
            last = max(time, last + 1)
            yield FeedStep(last, [self._numbered(event) for *_, event in placed])

    def _numbered(self, event: Quote | TradeTick | BadRow) -> Quote | TradeTick | BadRow:
        if isinstance(event, BadRow):
            return event
        kind = (type(event), event.symbol)
        self._seqs[kind] += 1
        return msgspec.structs.replace(event, seq=self._seqs[kind])

    # --- what a `Tape` is

    def trade(self, trade: TradeTick, refilled: bool) -> None:
        """See `Tape`."""
        self._refilled += refilled
        self._since = max(self._since, trade.ts)
        self._quote_time.hear(trade.ts, refilled)
        self._put(_Placed(trade.ts, TRADES, trade.symbol, trade))

    def quote(self, quote: Quote) -> None:
        """See `Tape`."""
        self._put(_Placed(quote.ts, QUOTES, quote.symbol, quote))

    def bad(self, row: BadRow) -> None:
        """See `Tape`."""
        self._put(_Placed(row.ts, TRADES, row.symbol, row))

    def now(self) -> int:
        """See `Tape`."""
        return self._quote_time.now()

    def _put(self, placed: _Placed) -> None:
        self._came.append(placed)
        self._news.set()

    # --- connecting

    def _a_market(self, probe_s: float, mute_after_s: float) -> Market:
        symbols = [instrument.symbol for instrument in self.instruments]
        if self._fluent:
            return BinanceMarket(self._exchange, self._calls, symbols, self, self._clock, probe_s, mute_after_s)
        return UnifiedMarket(self._exchange, self._calls, symbols, self, Freshness(self._clock, mute_after_s))

    async def _connection(self) -> None:
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        hooks, market = self._exchange.hooks, self._market
        hooks.tap, hooks.resolved, hooks.lost = market.tap, market.resolved, partial(lose, lost)
        try:
            await asyncio.wait_for(market.subscribe(), SUBSCRIBED_WITHIN_S)
            await market.refill(self._since)
            self._fault = ""
            self._connections += 1
            self._backoff.reset()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(until(lost))
                tasks.create_task(market.listen())
        finally:
            lost.cancel()
            self._exchange.drop_streams()
            self._quote_time.lost()

    def _broken(self, error: Exception) -> None:
        self._fault = f"the market data of {self.name} was lost: {cause_of(error)}"
        log.warning("%s", self._fault)


async def _loaded(exchange: Any, calls: Calls) -> None:
    try:
        await calls.read(exchange.load_markets)
    except Refused as refused:
        raise OutcomeUnknown(str(refused)) from refused
