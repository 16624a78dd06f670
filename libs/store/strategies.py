"""Strategies, their states and their signals. Written by strategy_engine; `enabled` also by the operator's commands."""

from collections.abc import Mapping, Sequence

import msgspec

from libs.common.database import Database, Write
from libs.domain.configuration import StrategyConfig
from libs.domain.messages import Signal
from libs.domain.states import StoredState


async def register(database: Database, configured: Sequence[StrategyConfig]) -> None:
    """Stores the configuration; nothing has failed yet. What the operator switched at run time stays, until the configured
    switch changes."""
    await database.write(
        [
            Write(
                "insert into strategies (strategy_id, class_name, symbols, timeframe, account, allocation, params, enabled,"
                " configured_enabled) values (%s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s) on conflict (strategy_id) do update set"
                " class_name = excluded.class_name, symbols = excluded.symbols, timeframe = excluded.timeframe,"
                " account = excluded.account, allocation = excluded.allocation, params = excluded.params,"
                " enabled = case when strategies.configured_enabled = excluded.configured_enabled then strategies.enabled"
                " else excluded.enabled end, configured_enabled = excluded.configured_enabled, failed = '', updated_at = now()",
                (
                    s.id,
                    s.class_name,
                    s.symbols,
                    s.timeframe,
                    s.account,
                    s.allocation,
                    msgspec.json.encode(s.params).decode(),
                    s.enabled,
                    s.enabled,
                ),
            )
            for s in configured
        ]
        + [Write("delete from strategies where strategy_id <> all(%b::text[])", ([s.id for s in configured],))]
    )


async def switches(database: Database, session_id: str) -> tuple[frozenset[str], bool]:
    """Ids of the enabled strategies, and whether the operator has paused the session."""
    rows = await database.fetch(
        "select coalesce((select array_agg(strategy_id) from strategies where enabled), '{}'),"
        " coalesce((select paused from sessions where session_id = %s), true)",
        (session_id,),
    )
    return frozenset(rows[0][0]), rows[0][1]


def store_failed(failed: Mapping[str, str]) -> Write:
    """Strategies that have been stopped, and why; the first reason stays."""
    return Write(
        "update strategies s set failed = u.f, updated_at = now() from unnest(%b::text[], %b::text[]) u(i, f)"
        " where s.strategy_id = u.i and s.failed = ''",
        (list(failed), list(failed.values())),
    )


async def failed(database: Database) -> dict[str, str]:
    """Strategies that strategy_engine has stopped since it was started, and why."""
    rows = await database.fetch("select strategy_id, failed from strategies where failed <> '' order by strategy_id")
    return dict(rows)


async def states(database: Database, session_id: str) -> list[StoredState]:
    """Every stored state of a session."""
    rows = await database.fetch(
        "select strategy_id, symbol, fingerprint, ns_of(bar_time), state from strategy_states where session_id = %s",
        (session_id,),
    )
    return [StoredState(*row) for row in rows]


def store_states(session_id: str, states: Sequence[StoredState]) -> Write:
    """States as of their bars. One that is there already with a later bar raises (TW004): a rival engine is at work."""
    return Write(
        "select strategy_states_store(%s, %b::text[], %b::text[], %b::text[], %b::int8[], %b::bytea[])",
        (
            session_id,
            [s.strategy_id for s in states],
            [s.symbol for s in states],
            [s.fingerprint for s in states],
            [s.bar_time for s in states],
            [s.state for s in states],
        ),
    )


def store_signals(emitted: Sequence[tuple[Signal, bytes]]) -> Write:
    """Signals with the states they came from, once each: a second one of the same strategy, symbol and bar raises."""
    signals = [signal for signal, _ in emitted]
    return Write(
        "insert into signals (signal_id, session_id, account_id, strategy_id, symbol, timeframe, bar_time, decided_at, target, confidence,"
        " scale, reference_price, valid_until, reason, triggered_ns, state) select i, e, a, s, y, f, at_ns(b), at_ns(d), t, c, k, p,"
        " at_ns(v), r, g, z from unnest(%b::uuid[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::int8[], %b::int8[],"
        " %b::float8[], %b::float8[], %b::float8[], %b::float8[], %b::int8[], %b::text[], %b::int8[], %b::bytea[])"
        " u(i, e, a, s, y, f, b, d, t, c, k, p, v, r, g, z)",
        (
            [s.signal_id for s in signals],
            [s.session_id for s in signals],
            [s.account_id for s in signals],
            [s.strategy_id for s in signals],
            [s.symbol for s in signals],
            [s.timeframe for s in signals],
            [s.bar_time for s in signals],
            [s.decided_at for s in signals],
            [s.target for s in signals],
            [s.confidence for s in signals],
            [s.scale for s in signals],
            [s.reference_price for s in signals],
            [s.valid_until for s in signals],
            [s.reason for s in signals],
            [s.triggered_ns for s in signals],
            [state for _, state in emitted],
        ),
    )
