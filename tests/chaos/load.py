"""What strategy_engine would say, faster: targets of many books, one after another, at a steady rate."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Final, NamedTuple
from uuid import UUID

from libs.common.bus import RedisBus
from libs.common.clocks import SECOND, SystemClock
from libs.common.database import Database, Unreachable
from libs.common.envelope import Sealer
from libs.common.journal import Hop, Outgoing, PostgresJournal
from libs.domain.identity import signal_id
from libs.domain.messages import Signal
from libs.domain.streams import SIGNALS
from libs.store import strategies
from libs.store.sessions import Session
from tests.chaos.market import Market

BEAT_S: Final = 0.1
GOOD_FOR_S: Final = 20  # market seconds within which a target may be acted on
TARGETS: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


class Book(NamedTuple):
    """Whose target it is."""

    account_id: str
    strategy_id: str
    symbol: str


class Load:
    """Targets into the journal. Those whose commit was answered must be there for ever."""

    beat_s = BEAT_S

    def __init__(self, session: Session, market: Market, books: Sequence[Book], per_s: float, collar: float, draw: Random) -> None:
        """`collar`: of config/risk.toml; how far from the market a reference price may lie, and so where orders rest."""
        self.flows = True
        self.promised: list[UUID] = []
        self.books = books
        self._session = session
        self._market = market
        self._per_s = per_s
        self._collar = collar
        self._draw = draw
        self._targets: dict[Book, float] = {}

    async def run(self, database: Database, bus: RedisBus) -> None:
        """Until cancelled."""
        clock = SystemClock()
        journal, sealer = PostgresJournal(database, bus, clock), Sealer("strategy_engine", clock)
        sealer.session_id = self._session.session_id
        owed, looked = 0.0, clock.monotonic()
        while True:
            await asyncio.sleep(self.beat_s)
            before, looked = looked, clock.monotonic()
            owed = min(owed + self._per_s * (looked - before), self._per_s) if self.flows else 0.0
            signals = [self._drawn(n) for n in range(int(owed))]
            owed -= len(signals)
            if not signals:
                continue
            try:
                await journal.commit(said(signals, sealer))
            except Unreachable:
                continue  # whether they were committed only the record knows
            self.promised += [signal.signal_id for signal in signals]

    def _drawn(self, n: int) -> Signal:
        """Another target for one of the books; half of the orders will rest for a while, just beyond the market."""
        book = self._draw.choice(self.books)
        target = self._draw.choice([t for t in TARGETS if t != self._targets.get(book, 0.0)])
        up, self._targets[book] = target > self._targets.get(book, 0.0), target
        mid = self._market.mids[book.symbol]
        away = self._collar * self._draw.choice((0.0, 0.0, 0.9))
        return a_target(book, target, mid * (1 - away if up else 1 + away), self._market.now() + n, self._session.session_id)


def a_target(book: Book, target: float, reference: float, now: int, session_id: str, good_for_s: int = GOOD_FOR_S) -> Signal:
    """A signal decided now, on a bar that nobody else decides on."""
    bar_time = now - SECOND
    return Signal(
        signal_id=signal_id(session_id, book.strategy_id, book.symbol, "1m", bar_time),
        session_id=session_id,
        account_id=book.account_id,
        strategy_id=book.strategy_id,
        symbol=book.symbol,
        timeframe="1m",
        bar_time=bar_time,
        decided_at=now,
        target=target,
        confidence=1.0,
        reference_price=reference,
        valid_until=now + good_for_s * SECOND,
        reason="chaos",
        triggered_ns=0,
    )


def said(signals: Sequence[Signal], sealer: Sealer) -> Hop:
    """The hop that strategy_engine would commit."""
    stream = SIGNALS.stream or ""
    return Hop(
        writes=[strategies.store_signals([(signal, b"") for signal in signals])],
        out=[
            Outgoing(
                stream,
                SIGNALS.of(signal.strategy_id),
                signal.signal_id,
                sealer.seal(stream, signal, ts_event_ns=signal.decided_at, trace=str(signal.signal_id)),
            )
            for signal in signals
        ],
    )
