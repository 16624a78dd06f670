"""The market that the money path trades on: moved by the harness, shown to sim_venue and to the fleet alike."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from random import Random
from typing import Final

import aiohttp
import msgspec

from libs.common.bus import RedisBus
from libs.common.clocks import SECOND, SystemClock
from libs.common.database import Database, Unreachable
from libs.common.envelope import Sealer
from libs.domain.instruments import Instrument
from libs.domain.market import Bar, Quote
from libs.store import market, sessions
from libs.store.sessions import Session
from services.data_collector.publish import Publisher

STEP_S: Final = 0.2
MOVE: Final = 0.0006  # standard deviation of a step, as a share of the price
SPREAD: Final = 0.0002
MOST_SHOWN: Final = 40.0  # units at a quote: a larger order fills in parts


class Market:
    """Prices on a walk, one market second for each of this host."""

    def __init__(self, instruments: Sequence[Instrument], session: Session, venue_url: str, draw: Random) -> None:
        self.mids = {i.symbol: 1000.0 if i.asset_class == "crypto" else 100.0 for i in instruments}
        self.moves = True
        self.key = b""  # of the session: signs what is said on the bus
        self._instruments = instruments
        self._session = session
        self._venue_url = venue_url
        self._draw = draw
        self._began = time.monotonic()
        self._seqs = dict.fromkeys(self.mids, 0)
        self._bars = dict(self.mids)

    def now(self) -> int:
        """Market time, ns."""
        return self._session.start_time + int((time.monotonic() - self._began) * SECOND)

    async def play(self, database: Database, bus: RedisBus) -> None:
        """Until cancelled: quotes to the venue and on the bus, a bar of each second into the record, and the clock."""
        clock = SystemClock()
        sealer = Sealer("data_collector", clock)
        sealer.session_id, sealer.key = self._session.session_id, self.key
        publisher = Publisher(bus, sealer, clock, self._session.session_id, self._session.speed)
        second = self.now() // SECOND
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1)) as http:
            while True:
                await asyncio.sleep(STEP_S)
                now, quotes = self.now(), self._moved()
                await self._show_venue(http, quotes, now)
                for quote in quotes:
                    publisher.add(quote)
                bars: list[Bar] = []
                if now // SECOND > second:
                    second = now // SECOND
                    bars = [self._bar(symbol, (second - 1) * SECOND) for symbol in self.mids]
                    bars = await self._recorded(database, bars, now)
                closed = [("1s", bars[0].start, len(bars))] if bars else []
                await publisher.send(now, bars, publisher.clock(now, closed, noticed_ns=clock.now_ns()))

    def _moved(self) -> list[Quote]:
        quotes = []
        for instrument in self._instruments:
            symbol, tick = instrument.symbol, float(instrument.tick)
            if self.moves:
                self.mids[symbol] *= 1 + self._draw.gauss(0.0, MOVE)
            self._seqs[symbol] += 1
            bid = round(self.mids[symbol] * (1 - SPREAD / 2) / tick) * tick
            ask = max(bid + tick, round(self.mids[symbol] * (1 + SPREAD / 2) / tick) * tick)
            sizes = (self._draw.uniform(0.5, MOST_SHOWN), self._draw.uniform(0.5, MOST_SHOWN))
            quotes.append(
                Quote(
                    venue=self._session.venue,
                    symbol=symbol,
                    seq=self._seqs[symbol],
                    ts=self.now(),
                    bid=round(bid, 2),
                    ask=round(ask, 2),
                    bid_size=round(sizes[0], 2),
                    ask_size=round(sizes[1], 2),
                )
            )
        return quotes

    async def _show_venue(self, http: aiohttp.ClientSession, quotes: Sequence[Quote], now: int) -> None:
        fields = ("symbol", "bid", "ask", "bid_size", "ask_size")
        shown = {"quotes": [{name: getattr(quote, name) for name in fields} for quote in quotes], "market_time": now}
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):  # the venue is away: it will be told the next ones
            async with http.post(f"{self._venue_url}/sim/v1/market", data=msgspec.json.encode(shown)):
                pass

    def _bar(self, symbol: str, start: int) -> Bar:
        opened, self._bars[symbol] = self._bars[symbol], self.mids[symbol]
        close = self.mids[symbol]
        return Bar(
            venue=self._session.venue,
            symbol=symbol,
            seq=start // SECOND,
            timeframe="1s",
            start=start,
            open=opened,
            high=max(opened, close),
            low=min(opened, close),
            close=close,
            volume=100.0,
        )

    async def _recorded(self, database: Database, bars: list[Bar], now: int) -> list[Bar]:
        """The bars, once the record has them; none while it is away."""
        try:
            await database.write([*market.store_bars(bars), sessions.advanced(self._session.session_id, now, now, 0)])
        except Unreachable:
            return []
        return bars
