"""Sessions: one feed timeline each, its instruments and accounts. Written by data_collector, read by all."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

from libs.common.database import Database, Unreachable, Write
from libs.common.logs import about
from libs.domain.configuration import AccountConfig
from libs.domain.instruments import Instrument

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Session:
    """A running feed timeline. Times are market nanoseconds."""

    session_id: str
    feed: str
    seed: int
    mode: str  # free, lockstep
    speed: float
    venue: str  # of its market data
    timeframes: tuple[str, ...]  # finest first
    grace_ns: int
    start_time: int  # where it began
    fills: Mapping[str, Any]  # {"on": {symbol: quote|bar|quote_bar}, "latency_ns": n}
    market_time: int
    horizon: int
    step: int
    paused: bool
    key: bytes = field(default=b"", repr=False)  # signs its market data on the bus

    @property
    def lockstep(self) -> bool:
        return self.mode == "lockstep"


@dataclass(frozen=True)
class Account:
    """Whose money a session trades."""

    account_id: str
    name: str
    venue: str
    base_currency: str
    allow_short: bool
    deposit: Decimal
    day_starts_at: str = "00:00"  # of its trading day, local time
    day_tz: str = "UTC"
    kind: Literal["cash", "margin"] = "cash"


_SESSION: Final = (
    "select session_id, feed, seed, mode, speed, venue, timeframes, grace_ns, start_time, fills, market_time, horizon, step,"
    " paused, key from sessions"
)


def _session(row: Sequence[Any]) -> Session:
    values = list(row)
    values[6] = tuple(values[6])
    return Session(*values)


async def current(database: Database) -> Session | None:
    """The session that runs now; None before data_collector has opened one."""
    rows = await database.fetch(_SESSION + " where state = 'running'")
    return _session(rows[0]) if rows else None


async def named(database: Database, session_id: str) -> Session | None:
    """One session, whatever its state."""
    rows = await database.fetch(_SESSION + " where session_id = %s", (session_id,))
    return _session(rows[0]) if rows else None


async def of_account(database: Database, account_id: str) -> str | None:
    """The one session that the account belongs to; None when there is no such account."""
    rows = await database.fetch("select session_id from accounts where account_id = %s", (account_id,))
    return str(rows[0][0]) if rows else None


async def is_finished(database: Database, session_id: str) -> bool:
    """Whether its data have ended."""
    return bool(await database.fetch("select from sessions where session_id = %s and state = 'finished'", (session_id,)))


async def played(database: Database) -> list[Session]:
    """Every session, the one played last first."""
    return [_session(row) for row in await database.fetch(_SESSION + " order by played_at desc")]


async def awaited(database: Database, stopping: asyncio.Event) -> Session | None:
    """The running session, once there is one; None when asked to stop first."""
    while not stopping.is_set():
        try:
            if (session := await current(database)) is not None:
                return session
        except Unreachable as error:
            log.warning("waiting for the database: %s", error, extra=about("database_lost", "failure"))
        try:
            async with asyncio.timeout(0.2):
                await stopping.wait()
        except TimeoutError:
            continue
    return None


async def resumable(database: Database, feed: str, seed: int, mode: str) -> Session | None:
    """The newest unfinished session of the same feed, seed and mode."""
    rows = await database.fetch(
        _SESSION + " where state <> 'finished' and feed = %s and seed = %s and mode = %s order by played_at desc limit 1",
        (feed, seed, mode),
    )
    return _session(rows[0]) if rows else None


async def open_new(database: Database, session: Session, accounts: Sequence[AccountConfig], consumers: Mapping[str, Sequence[str]]) -> None:
    """Suspends any other session, opens this one and its accounts, `<name>` at first and `<name>-<n>` later.

    Cursors of the accounts' consumers (lease prefix: its streams) begin where the streams end now: nothing before
    concerns the new accounts.
    """
    taken = {row[0] for row in await database.fetch("select account_id from accounts")}
    writes = [
        suspend(),
        Write(
            "insert into sessions (session_id, feed, seed, mode, speed, venue, timeframes, grace_ns, start_time, fills, market_time,"
            " horizon, step, state) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s, %s, 'running')",
            (
                session.session_id,
                session.feed,
                session.seed,
                session.mode,
                session.speed,
                session.venue,
                list(session.timeframes),
                session.grace_ns,
                session.start_time,
                msgspec.json.encode(session.fills).decode(),
                session.market_time,
                session.horizon,
                session.step,
            ),
        ),
    ]
    for account in accounts:
        account_id = _unused(account.name, taken)
        writes.append(
            Write(
                "insert into accounts (account_id, session_id, name, venue, base_currency, kind, allow_short, deposit, day_starts_at,"
                " day_tz) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    account_id,
                    session.session_id,
                    account.name,
                    account.venue,
                    account.base_currency,
                    account.kind,
                    account.allow_short,
                    account.deposit,
                    account.day_starts_at,
                    account.day_tz,
                ),
            )
        )
        writes += [
            Write(
                "insert into cursors (consumer, stream, no) select %s, stream, last_no from journal_counters"
                " where stream = any(%b::text[])",
                (f"{prefix}:{account_id}", list(streams)),
            )
            for prefix, streams in consumers.items()
        ]
    await database.write(writes)


def _unused(name: str, taken: set[str]) -> str:
    candidates = (name if n == 1 else f"{name}-{n}" for n in range(1, len(taken) + 2))
    account_id = next(c for c in candidates if c not in taken)
    taken.add(account_id)
    return account_id


async def accounts(database: Database, session_id: str) -> list[Account]:
    """The session's accounts."""
    rows = await database.fetch(
        "select account_id, name, venue, base_currency, allow_short, deposit, day_starts_at, day_tz, kind from accounts"
        " where session_id = %s order by account_id",
        (session_id,),
    )
    return [Account(*row) for row in rows]


async def register_instruments(database: Database, instruments: Sequence[Instrument]) -> None:
    """Stores what a feed trades; a changed tick or lot is taken over."""
    await database.write(
        [
            Write(
                "insert into instruments (venue, symbol, asset_class, currency, tick, lot, min_notional, multiplier, calendar)"
                " values (%s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict (venue, symbol) do update set tick = excluded.tick,"
                " lot = excluded.lot, min_notional = excluded.min_notional, multiplier = excluded.multiplier",
                (i.venue, i.symbol, i.asset_class, i.currency, i.tick, i.lot, i.min_notional, i.multiplier, i.calendar),
            )
            for i in instruments
        ]
    )


async def instruments(database: Database, venue: str) -> dict[str, Instrument]:
    """What can be traded on the market data of a venue, by symbol."""
    rows = await database.fetch(
        "select symbol, asset_class, currency, tick, lot, min_notional, multiplier, calendar from instruments where venue = %s", (venue,)
    )
    return {
        symbol: Instrument(
            symbol=symbol,
            venue=venue,
            asset_class=asset_class,
            currency=currency,
            tick=tick.normalize(),
            lot=lot.normalize(),
            min_notional=min_notional,
            multiplier=multiplier.normalize(),
            calendar=calendar,
        )
        for symbol, asset_class, currency, tick, lot, min_notional, multiplier, calendar in rows
    }


def advanced(session_id: str, market_time: int, horizon: int, step: int) -> Write:
    """The session's clock in the record. Nothing later than `horizon` may be published before this is committed."""
    return Write(
        "update sessions set market_time = %s, horizon = greatest(horizon, %s), step = %s where session_id = %s",
        (market_time, horizon, step, session_id),
    )


def stopped_at(session_id: str, reached: int) -> Write:
    """An orderly stop: nothing later than `reached` has been published."""
    return Write("update sessions set horizon = %s where session_id = %s", (reached, session_id))


async def finish(database: Database, session_id: str) -> None:
    """The data have ended: the next start opens a new session."""
    await database.write([Write("update sessions set state = 'finished' where session_id = %s", (session_id,))])


def suspend() -> Write:
    """No session is played any more; each can be resumed."""
    return Write("update sessions set state = 'suspended' where state = 'running'", ())


async def resume(database: Database, session_id: str, speed: float) -> None:
    """Goes on with a session, at this speed; any other is suspended."""
    resumed = Write(
        "update sessions set state = 'running', speed = %s, played_at = clock_timestamp() where session_id = %s", (speed, session_id)
    )
    await database.write([suspend(), resumed])
