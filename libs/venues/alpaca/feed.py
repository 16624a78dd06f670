"""Alpaca as a source of market data: quotes and trades of US stocks, as they happen."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final, Self

import msgspec

from libs.common.clocks import HostClock
from libs.domain.actions import CorporateAction
from libs.domain.configuration import VenueConfig
from libs.domain.instruments import Instrument
from libs.domain.market import BadRow
from libs.domain.times import SECOND
from libs.quant.bars import BarsOf
from libs.quant.fills import FillOn
from libs.venues.alpaca.addresses import Addresses, addresses, check
from libs.venues.alpaca.assets import listed
from libs.venues.alpaca.history import ticks_since
from libs.venues.alpaca.reading import decoded
from libs.venues.alpaca.requests import Requests
from libs.venues.alpaca.socket import Socket, connected
from libs.venues.alpaca.ticks import KINDS, Tick, Timeline, Told, tick_of, told_in
from libs.venues.alpaca.wire import MarketTime, Unreadable, read, time_ns
from libs.venues.broker import OutcomeUnknown
from libs.venues.budget import Budget
from libs.venues.endpoint import Endpoint
from libs.venues.feed import FeedLink, FeedStep
from libs.venues.freshness import Freshness, Mute
from libs.venues.reconnecting import Backoff, ended, reconnecting
from libs.venues.tenfold import Tenfold

log = logging.getLogger(__name__)

MUTE_AFTER_S: Final = 10.0
QUIET_AFTER_S: Final = 60.0
OVERLAP_NS: Final = 60 * SECOND  # market time by which a refill reaches back, for symbols that were behind the others
FURTHEST_NS: Final = 24 * 3600 * SECOND  # that is refilled at most
MOST_WAITING: Final = 1000  # steps; then the socket is not read, and the venue cuts off who is too slow


class AlpacaFeed:
    """A `LiveFeed` of the stocks that a venue which speaks like Alpaca lists.

    A stream that says nothing for `mute_after_s` is asked for its subscription, which has to be answered; one that
    answers, but has no tick for `quiet_after_s` while the venue says that its market is open, is connected again as well.
    Of what a stream missed, the venue's history is asked after it is subscribed again.
    """

    seed: int = 0
    timeframes: tuple[str, ...] = ("1s", "1m")
    recorded_bars: bool = False
    live: bool = True
    times_quotes: bool = True
    actions: Sequence[CorporateAction] = ()
    speed: float = 1.0

    def __init__(
        self,
        name: str,
        instruments: Sequence[Instrument],
        start: int,
        requests: Requests,
        endpoint: Endpoint,
        clock: HostClock,
        *,
        source: str,
        mute_after_s: float,
        quiet_after_s: float,
        backoff: Backoff | None,
    ) -> None:
        """As `open` makes it.

        Args:
            start: market time now, ns.
            source: which of Alpaca's feeds: iex, or sip where it is paid for.
            mute_after_s, quiet_after_s: host seconds.
        """
        self.name: str = name
        self.instruments: Sequence[Instrument] = tuple(instruments)
        self.start: int = start
        self.bars_of: Mapping[str, BarsOf] = {i.symbol: "trade" for i in instruments}
        self.fill_on: Mapping[str, FillOn] = {i.symbol: "quote" for i in instruments}
        self._symbols = [i.symbol for i in instruments]
        self._requests = requests
        self._endpoint = endpoint
        self._addresses: Addresses = addresses(endpoint)
        self._clock = clock
        self._source = source
        self._quiet_after_s = quiet_after_s
        self._freshness = Freshness(clock, mute_after_s)
        self._backoff = backoff or Backoff()
        self._detail = "not connected yet"
        self._connections = 0
        self._refilled = 0
        self._ticked_at = 0.0
        self._timeline = Timeline(name, start)
        self._tell_late = Tenfold()

    @classmethod
    async def open(
        cls,
        venue: VenueConfig,
        endpoint: Endpoint,
        clock: HostClock,
        *,
        mute_after_s: float = MUTE_AFTER_S,
        quiet_after_s: float = QUIET_AFTER_S,
        backoff: Backoff | None = None,
    ) -> Self:
        """Asks the venue what time it is and what it lists.

        `venue.options`: `feed`, "iex" by default; `fractional`, true to trade parts of shares where the venue does.

        Raises:
            OutcomeUnknown: it does not answer.
            WrongKey: the key is not for it, or of the other mode.
            ValueError: a symbol is not among what it lists, or none was named and it lists too many.
        """
        check(endpoint)
        requests = Requests(endpoint, Budget(venue.requests_per_minute, 0.0, 0.0, clock=clock), clock)
        try:
            trading = addresses(endpoint).trading
            instruments = await listed(requests, trading, venue)
            start, _ = await _market_time(requests, trading)
        except BaseException:
            await requests.close()
            raise
        return cls(
            venue.name,
            instruments,
            start,
            requests,
            endpoint,
            clock,
            source=str(venue.options.get("feed", "iex")),
            mute_after_s=mute_after_s,
            quiet_after_s=quiet_after_s,
            backoff=backoff,
        )

    async def close(self) -> None:
        """See `LiveFeed`."""
        await self._requests.close()

    def link(self) -> FeedLink:
        """See `LiveFeed`. Up once what was missed has been given."""
        return FeedLink(not self._detail, self._detail, max(0, self._connections - 1), self._refilled)

    def dropped(self) -> tuple[int, int]:
        """Ticks that came after newer ones of their symbol and kind, and ticks that came again; since `steps` was called."""
        return self._timeline.late, self._timeline.repeated

    async def steps(self, after: int) -> AsyncIterator[FeedStep]:
        """See `MarketDataFeed`. With `after` 0 from now on; else from there, but a day back at most."""
        self._timeline = Timeline(self.name, after or self.start)
        waiting: asyncio.Queue[FeedStep] = asyncio.Queue(MOST_WAITING)

        async def listen() -> None:
            await self._listen(waiting)

        listening = asyncio.create_task(reconnecting(listen, self._broken, self._backoff))
        try:
            while True:
                yield await waiting.get()
        finally:
            await ended(listening)
            self._detail = "nobody listens"

    # --- one connection

    async def _listen(self, waiting: asyncio.Queue[FeedStep]) -> None:
        url = f"{self._addresses.data_stream}/{self._source}"
        subscribe = {"action": "subscribe", "trades": self._symbols, "quotes": self._symbols}
        async with connected(self._requests.session, url, self._freshness) as socket:
            await self._answered(socket, "success", "connected")
            await socket.say({"action": "auth", "key": self._endpoint.key, "secret": self._endpoint.secret})
            await self._answered(socket, "success", "authenticated")
            await socket.say(subscribe)
            ahead = await self._answered(socket, "subscription")
            await self._refill(waiting)
            self._connections += 1
            self._detail = ""
            self._backoff.reset()
            self._freshness.heard()
            self._ticked_at = self._clock.monotonic()
            await self._give(waiting, ahead)
            while True:
                await self._give(waiting, told_in(await socket.hear(probe=subscribe)))
                await self._look_at_silence()

    async def _answered(self, socket: Socket, kind: str, message: str = "") -> list[msgspec.Raw]:
        """Waits for a word about the connection, and returns what was said after it in the same frame."""
        async with socket.answering():
            while True:
                frame = told_in(await socket.hear())
                for number, raw in enumerate(frame):
                    told = read(bytes(raw), Told)
                    _must_be_well(told)
                    if told.kind == kind and told.msg in ("", message):
                        return frame[number + 1 :]

    async def _give(self, waiting: asyncio.Queue[FeedStep], frame: Sequence[msgspec.Raw]) -> None:
        ticks: list[Tick] = []
        bad: list[BadRow] = []
        for raw in frame:
            symbol = ""
            try:
                told = read(bytes(raw), Told)
                symbol = told.symbol
                _must_be_well(told)
                if told.kind in KINDS and (tick := tick_of(told, told.kind, symbol)) is not None:
                    ticks.append(tick)
            except Unreadable as error:
                shown = bytes(raw)[:500].decode(errors="replace")
                bad.append(BadRow(venue=self.name, symbol=symbol, ts=0, reason=f"unreadable: {error}", raw=shown))
        if ticks:
            self._ticked_at = self._clock.monotonic()
        for step in self._timeline.steps(ticks, bad):
            await waiting.put(step)
        late, repeated = self.dropped()
        if self._tell_late.due(late):
            log.warning(
                "%s: %d ticks that came after newer ones of their own were dropped, and %d that came twice", self.name, late, repeated
            )

    async def _refill(self, waiting: asyncio.Queue[FeedStep]) -> None:
        """What happened while nobody listened. The subscription stands already, so that nothing falls in between."""
        now, _ = await _market_time(self._requests, self._addresses.trading)
        since = self._timeline.reached - (OVERLAP_NS if self._connections else -1)
        since = max(since, now - FURTHEST_NS)
        async for ticks in ticks_since(self._requests, self._addresses.data, self._source, self._symbols, since, now):
            for step in self._timeline.refill(ticks):
                self._refilled += len(step.events)
                await waiting.put(step)

    async def _look_at_silence(self) -> None:
        if self._clock.monotonic() - self._ticked_at <= self._quiet_after_s:
            return
        _, is_open = await _market_time(self._requests, self._addresses.trading)
        if is_open:
            raise Mute(f"no tick for {self._quiet_after_s:g} s, and the market is open")
        self._ticked_at = self._clock.monotonic()

    def _broken(self, error: Exception) -> None:
        trouble = f"the market data stream is down: {error}"
        if trouble != self._detail:  # an outage of a night is one line, not thousands
            log.warning("%s: %s", self.name, trouble)
        self._detail = trouble


def _must_be_well(told: Told) -> None:
    if told.kind == "error":
        raise ConnectionError(f"the venue says: {told.msg} ({told.code})")


async def _market_time(requests: Requests, trading: str) -> tuple[int, bool]:
    """Market time at the venue, and whether its market is open."""
    clock = decoded(await requests.read(f"{trading}/clock"), MarketTime)
    try:
        return time_ns(clock.timestamp, "timestamp"), clock.is_open
    except Unreadable as error:
        raise OutcomeUnknown(str(error)) from error
