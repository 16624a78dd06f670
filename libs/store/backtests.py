"""Backtests in the record: the queue of those that wait, and the results of those that ran. Written by backtester and the CLI.

The table is the queue: `queued`, then `running`, then `done` or `failed`. A result and its trades are one transaction.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from libs.common.database import Database, Write
from libs.domain.trades import Trade
from libs.store.by_id import beginning


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a finished backtest leaves behind."""

    result: Mapping[str, Any]  # the figures, JSON
    fingerprint: str  # of the four below
    data: str
    code: str
    config: str
    engine: str
    trades: Sequence[Trade]


class Taken(msgspec.Struct, frozen=True):
    """A backtest that is ours to run."""

    id: UUID
    spec: dict[str, Any]


class Backtest(msgspec.Struct, frozen=True, kw_only=True):
    """One backtest as the record has it."""

    id: UUID
    state: str  # queued, running, done, failed
    spec: dict[str, Any]
    result: dict[str, Any] | None
    error: str
    fingerprint: str
    data: str
    code: str
    config: str
    engine: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class BacktestTrade(msgspec.Struct, frozen=True, kw_only=True):
    """One fill of a backtest."""

    n: int
    strategy_id: str
    symbol: str
    side: str
    quantity: Decimal
    executed_price: Decimal
    commission: Decimal
    executed_at: datetime
    pnl: Decimal


def queued(id_: UUID, spec: bytes) -> Write:
    """A backtest that somebody asks for; `spec` is JSON."""
    return Write("insert into backtests (id, state, spec) values (%s, 'queued', %s::text::jsonb)", (id_, spec.decode()))


def stored(id_: UUID, spec: bytes, outcome: Outcome) -> list[Write]:
    """A backtest that has been run already."""
    asked = Write(
        "insert into backtests (id, state, spec, started_at) values (%s, 'running', %s::text::jsonb, clock_timestamp())",
        (id_, spec.decode()),
    )
    return [asked, *finished(id_, outcome)]


async def take(database: Database) -> Taken | None:
    """The backtest that has waited longest, now `running`; None when none waits."""
    (rows,) = await database.write(
        [
            Write(
                "update backtests set state = 'running', started_at = clock_timestamp() where id = (select id from backtests"
                " where state = 'queued' order by created_at, id limit 1 for update skip locked) returning id, spec",
                (),
            )
        ]
    )
    return Taken(*rows[0]) if rows else None


def taken_back() -> Write:
    """What a service that is gone was running waits again. A backtest that runs twice by that gives the same result twice."""
    return Write("update backtests set state = 'queued', started_at = null where state = 'running'", ())


def finished(id_: UUID, outcome: Outcome) -> list[Write]:
    """A result with its trades, kept once: the first result of a backtest stays."""
    trades = outcome.trades
    done = Write(
        "update backtests set state = 'done', result = %s::text::jsonb, fingerprint = %s, data_fingerprint = %s, code_fingerprint = %s,"
        " config_fingerprint = %s, engine = %s, finished_at = clock_timestamp() where id = %s and state in ('queued', 'running')",
        (
            msgspec.json.encode(outcome.result).decode(),
            outcome.fingerprint,
            outcome.data,
            outcome.code,
            outcome.config,
            outcome.engine,
            id_,
        ),
    )
    made = Write(
        "insert into backtest_trades (backtest_id, n, strategy_id, symbol, side, quantity, executed_price, commission, executed_at, pnl)"
        " select %s, n, s, y, d, q, p, c, at_ns(t), g from unnest(%b::text[], %b::text[], %b::text[], %b::numeric[], %b::numeric[],"
        " %b::numeric[], %b::int8[], %b::numeric[]) with ordinality u(s, y, d, q, p, c, t, g, n) on conflict do nothing",
        (
            id_,
            [t.strategy_id for t in trades],
            [t.symbol for t in trades],
            [t.side for t in trades],
            [t.quantity for t in trades],
            [t.executed_price for t in trades],
            [t.commission for t in trades],
            [t.executed_at for t in trades],
            [t.pnl for t in trades],
        ),
    )
    return [done, made] if trades else [done]


def failed(id_: UUID, error: str) -> Write:
    """A backtest that cannot be run, and why."""
    return Write(
        "update backtests set state = 'failed', error = %s, finished_at = clock_timestamp()"
        " where id = %s and state in ('queued', 'running')",
        (error.replace("\0", "\ufffd"), id_),
    )


_COLUMNS = (
    "select id, state, spec, result, error, fingerprint, data_fingerprint, code_fingerprint, config_fingerprint, engine, created_at,"
    " started_at, finished_at from backtests"
)

_LISTED = _COLUMNS.replace(" result,", " result - 'parts',")


def _backtest(row: Sequence[Any]) -> Backtest:
    return Backtest(**dict(zip(Backtest.__struct_fields__, row, strict=True)))


async def listed(database: Database, limit: int) -> list[Backtest]:
    """The newest first, without the digests of their parts."""
    return [_backtest(row) for row in await database.fetch(_LISTED + " order by created_at desc, id desc limit %s", (limit,))]


async def found(database: Database, prefix: str) -> Backtest:
    """The one backtest whose id begins so.

    Raises:
        NotOne: there is none, or there are several.
    """
    return _backtest(await beginning(database, _COLUMNS, prefix, called="backtest", listed_by="fleet backtest results"))


async def trades(database: Database, id_: UUID) -> list[BacktestTrade]:
    """The fills of a backtest, in order."""
    rows = await database.fetch(
        "select n, strategy_id, symbol, side, quantity, executed_price, commission, executed_at, pnl from backtest_trades"
        " where backtest_id = %s order by n",
        (id_,),
    )
    return [BacktestTrade(**dict(zip(BacktestTrade.__struct_fields__, row, strict=True))) for row in rows]
