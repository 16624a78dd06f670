"""One subscriber to all market data, in a process of its own: what came, what was missed, and how late it was."""

import asyncio
import time
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from typing import Final

import msgspec
import uvloop

from libs.common.bus import RedisBus
from libs.common.envelope import opened
from libs.domain.market import Bar, Quote, QuoteBar, TradeTick
from libs.domain.streams import CLOCK, MARKET_DATA

LONGEST_S: Final = 300.0
_events: Final = msgspec.json.Decoder(list[Quote | TradeTick | Bar | QuoteBar])


class Received(msgspec.Struct):
    """What one subscriber has seen."""

    ticks: int = 0
    bars: int = 0
    missed: int = 0  # numbers left out, of envelopes and of events
    first_ns: int = 0  # host time of the first and the last tick
    last_ns: int = 0
    late_ms: list[float] = []


class Subscriber:
    """Counts."""

    def __init__(self) -> None:
        self.received = Received()
        self._envelopes: dict[str, int] = {}
        self._events: dict[tuple[str, type], int] = {}

    def hear(self, channel: str, payload: bytes) -> None:
        """One message of the bus."""
        now = time.time_ns()
        seen = self.received
        for envelope in opened(payload):
            seen.missed += envelope.seq - self._envelopes.get(channel, envelope.seq - 1) - 1
            self._envelopes[channel] = envelope.seq
            if channel == CLOCK.address:
                continue
            seen.late_ms.append((now - envelope.ts_pub_ns) / 1e6)
            for event in _events.decode(envelope.payload):
                key = (event.symbol, type(event))
                seen.missed += event.seq - self._events.get(key, event.seq - 1) - 1
                self._events[key] = event.seq
                if isinstance(event, Bar | QuoteBar):
                    seen.bars += 1
                else:
                    seen.ticks += 1
                    seen.first_ns = seen.first_ns or now
                    seen.last_ns = now


def subscribe(redis_url: str, joined: Event, stop: Event, answer: Connection) -> None:
    """Hears until told to stop, then sends what it has received."""

    async def main() -> None:
        subscriber, bus = Subscriber(), RedisBus(redis_url)
        listening = asyncio.create_task(bus.listen([MARKET_DATA.pattern], subscriber.hear, joined.set))
        await asyncio.to_thread(stop.wait, LONGEST_S)
        listening.cancel()
        answer.send_bytes(msgspec.msgpack.encode(subscriber.received))

    uvloop.run(main())
