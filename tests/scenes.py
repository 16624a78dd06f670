"""What the tests of a service stand on: a session with one account in a record of its own. Market time begins at NOON."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from libs.common.database import Database, Write
from libs.domain.configuration import AccountConfig
from libs.domain.instruments import Instrument
from libs.domain.market import Bar
from libs.domain.names import TIMEFRAMES
from libs.store import market, sessions
from libs.store.sessions import Account, Session
from libs.store.tables import Base
from tests.factories import NOON, SECOND
from tests.paper import ALFA, COIN

GRACE: Final = SECOND // 4
SESSION: Final = Session(
    session_id="session",
    feed="scripted",
    seed=1,
    mode="free",
    speed=1.0,
    venue="TEST",
    timeframes=("1s", "1m"),
    grace_ns=GRACE,
    start_time=NOON,
    fills={"on": {"ALFA": "quote", "BTC/USD": "quote"}, "latency_ns": 0},
    market_time=NOON,
    horizon=0,
    step=0,
    paused=False,
)
LOCKSTEP: Final = replace(SESSION, session_id="lockstep", mode="lockstep", speed=0.0)
CONSUMERS: Final = {"risk": ("signals", "orders.updates"), "executor": ("orders.approved",)}


async def clear(database: Database) -> None:
    """The record as the migrations leave it. Row by row: truncating so many tables takes a hundred times as long."""
    tables = [table.name for table in reversed(Base.metadata.sorted_tables) if table.name != "journal_counters"]
    unguarded = Write("set local session_replication_role = replica", ())  # limits are never deleted otherwise
    await database.write(
        [unguarded, *(Write(f"delete from {name}", ()) for name in tables), Write("update journal_counters set last_no = 0", ())]
    )


async def begin(
    database: Database,
    session: Session = SESSION,
    instruments: Sequence[Instrument] = (ALFA, COIN),
    deposit: Decimal = Decimal(100_000),
    consumers: Mapping[str, Sequence[str]] = CONSUMERS,
) -> Account:
    """Opens the session and its account `paper`."""
    await sessions.register_instruments(database, instruments)
    account = AccountConfig(name="paper", base_currency="USD", deposit=deposit)
    await sessions.open_new(database, session, [account], consumers)
    (opened,) = await sessions.accounts(database, session.session_id)
    return opened


def a_bar(start: int, close: float, symbol: str = "ALFA", timeframe: str = "1s", seq: int = 1) -> Bar:
    return Bar(
        venue="TEST",
        symbol=symbol,
        seq=seq,
        timeframe=timeframe,
        start=start,
        open=close,
        high=close,
        low=close,
        close=close,
        volume=10.0,
    )


def known_at(bars: Sequence[Bar], session: Session = SESSION) -> int:
    """Market time at which the last of the bars is known."""
    return max(bar.start + TIMEFRAMES[bar.timeframe] for bar in bars) + session.grace_ns


async def record(database: Database, bars: Sequence[Bar], session: Session = SESSION, step: int = 0) -> int:
    """Bars into the record, and its clock to where the last of them is known; that market time."""
    known = known_at(bars, session)
    await database.write([*market.store_bars(bars), sessions.advanced(session.session_id, known, known, step)])
    return known
