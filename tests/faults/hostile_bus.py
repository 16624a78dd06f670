"""A hostile listener on the fleet's bus: says again what it hears, out of order, and adds what nobody ever said."""

import random
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import msgspec
import redis

from libs.common.bus import MAX_MESSAGE
from libs.common.envelope import Envelope, array, opened
from libs.domain.market import Clock
from libs.domain.messages import Command, Signal
from libs.domain.orders import CancelRequest, Order
from tests.paper import an_order

CHANNELS = ("signals.*", "orders.*", "trades.executed", "portfolio.updates", "risk.alerts", "market_data.*", "control.*")
GARBAGE = (
    b"",
    b"\x00\xff",
    b"{",
    b"[]",
    b'{"a": 1}',
    b"[null]",
    b"[" * 100_000,
    '[{"v": "é"}]'.encode("latin-1"),
    b"x" * (MAX_MESSAGE + 1),
)
ELSEWHERE = "018f0000-0000-7000-8000-000000000000"
FORGED = an_order(666)


class HostileBus(threading.Thread):
    """Hears everything; each message comes again, later and among others, and every so often something forged."""

    def __init__(self, url: str, seed: int) -> None:
        super().__init__(daemon=True)
        self._speaker = redis.Redis.from_url(url)
        self._listener = redis.Redis.from_url(url)
        self._chance = random.Random(seed)
        self._over = threading.Event()
        self._ours: set[int] = set()  # hashes of what we have said: it is heard again, and must not be said a third time
        self._kept: deque[tuple[bytes, bytes]] = deque()
        self.heard = self.said = 0

    def run(self) -> None:
        with self._listener.pubsub() as pubsub:  # type: ignore[no-untyped-call]
            pubsub.psubscribe(*CHANNELS)
            while not self._over.is_set():
                message = pubsub.get_message(timeout=0.1)
                if message is not None and message["type"] == "pmessage" and hash(message["data"]) not in self._ours:
                    self._answer(message["channel"], message["data"])

    def _answer(self, channel: bytes, payload: bytes) -> None:
        self.heard += 1
        self._ours.add(hash(payload))
        self._kept.append((channel, payload))
        if len(self._kept) > 8:  # doubled, and shuffled: any of the last ones
            at = self._chance.randrange(len(self._kept))
            self._say(*self._kept[at])
            del self._kept[at]
        if self.heard % 20 == 0:
            self._say(channel, self._chance.choice(GARBAGE))
        if self.heard % 7 == 0:
            self._say(channel, forged(payload, self._chance))

    def _say(self, channel: bytes, payload: bytes) -> None:
        self._ours.add(hash(payload))
        self._speaker.publish(channel, payload)
        self.said += 1

    def claim(self) -> None:
        """Says on every channel of the order path what the record knows nothing of."""
        signal = Signal(
            signal_id=FORGED.signal_id,
            session_id=ELSEWHERE,
            account_id="paper",
            strategy_id="sma_fast",
            symbol="ALFA",
            timeframe="1s",
            bar_time=1,
            decided_at=1,
            target=1.0,
            confidence=1.0,
            reference_price=1.0,
            valid_until=2**62,
            reason="forged",
            triggered_ns=1,
        )
        cancel = CancelRequest(order_id=UUID(int=666), account_id="paper", reason="forged")
        kill = Command(command="kill", scope="fleet", reason="forged", by="nobody")
        clock = Clock(
            session_id=ELSEWHERE, market_time=2**62, speed=1e6, closed=[("1s", 2**61, 1)], noticed_ns=0, events=0, step=9, state="finished"
        )
        said: list[tuple[bytes, str, Order | Signal | CancelRequest | Command | Clock]] = [
            (b"orders.approved", "orders.approved", FORGED),
            (b"orders.approved", "orders.approved", cancel),
            (b"signals.sma_fast", "signals", signal),
            (b"control.risk_manager", "commands", kill),
            (b"control.trade_executor", "commands", kill),
            (b"market_data.clock", "market_data.clock", clock),
        ]
        for channel, stream, payload in said:
            self._say(channel, sealed(stream, payload))

    def close(self) -> None:
        """Falls silent."""
        self._over.set()
        self.join(10)
        self._speaker.close()
        self._listener.close()


def sealed(stream: str, payload: object, session_id: str = ELSEWHERE) -> bytes:
    """A message as a publisher would make it, with a number that is far too high."""
    envelope = Envelope(
        stream=stream,
        seq=10**12,
        id=ELSEWHERE,
        session_id=session_id,
        producer="nobody",
        ts_event_ns=0,
        ts_pub_ns=0,
        trace="",
        payload=msgspec.Raw(msgspec.json.encode(payload)),
    )
    return array([msgspec.json.encode(envelope)])


def forged(payload: bytes, chance: random.Random) -> bytes:
    """A real message with a number, a session or a payload that is not its own."""
    envelopes = opened(payload)
    changed = chance.choice(["seq", "session", "payload"])
    if changed == "seq":  # of another session, or a reader of a lockstep session would wait for 10^12
        made = [msgspec.structs.replace(e, seq=chance.choice([-1, 0, 10**12])) for e in envelopes]
    elif changed == "session":
        made = [msgspec.structs.replace(e, session_id=ELSEWHERE) for e in envelopes]
    else:
        made = [
            msgspec.structs.replace(e, payload=msgspec.Raw(chance.choice([b"null", b"[]", b"{}", b'"\\ud800"', b"1e999"])))
            for e in envelopes
        ]
    return array([msgspec.json.encode(e) for e in made])


@contextmanager
def hostile_bus(url: str, seed: int) -> Iterator[HostileBus]:
    """A hostile bus at work."""
    bus = HostileBus(url, seed)
    bus.start()
    try:
        yield bus
    finally:
        bus.close()
