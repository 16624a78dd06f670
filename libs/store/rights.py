"""What each service may do with the record, once: Postgres refuses everything that is not here.

Each table has one writing service. Where a second one writes, it may change the columns named and no others. Who may append to a stream
is in `libs/domain/streams.py`. A table or function that stands at nobody is out of reach for all but the owner.
See docs/architecture.md, "Who may write what".
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

OPERATOR: Final = "operator"
"""The role of the `fleet` commands."""

ALL: Final[tuple[str, ...]] = ()
"""Every column of a table."""

Columns = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Rights:
    """Of one role, by table: rows to read, insert, update (the columns named, or ALL) and delete; functions to call."""

    reads: Collection[str] = frozenset()
    inserts: Collection[str] = frozenset()
    updates: Mapping[str, Columns] = field(default_factory=dict)
    deletes: Collection[str] = frozenset()
    calls: Collection[str] = frozenset()

    @property
    def tables(self) -> frozenset[str]:
        """All that it can reach in some way."""
        return frozenset({*self.reads, *self.inserts, *self.updates, *self.deletes})

    def __or__(self, more: "Rights") -> "Rights":
        """Both together; an update of all columns includes one of some."""
        both = {**self.updates, **more.updates}
        for table in self.updates.keys() & more.updates.keys():
            mine, theirs = self.updates[table], more.updates[table]
            both[table] = tuple(sorted({*mine, *theirs})) if mine and theirs else ALL
        return Rights(
            reads={*self.reads, *more.reads},
            inserts={*self.inserts, *more.inserts},
            updates=both,
            deletes={*self.deletes, *more.deletes},
            calls={*self.calls, *more.calls},
        )


def _keeps(*tables: str) -> Rights:
    """Rows that it inserts, and writes over as they change."""
    return Rights(reads=tables, inserts=tables, updates=dict.fromkeys(tables, ALL))


def _adds(*tables: str) -> Rights:
    """Rows that stay as they were written."""
    return Rights(reads=tables, inserts=tables)


_TIME: Final = Rights(calls={"at_ns", "ns_of"})

_FEED: Final = Rights(
    reads={"sessions", "accounts", "instruments", "corporate_actions", "market_ohlcv", "market_quotes", "journal_counters"},
)
"""What is played, and its prices. Whoever listens to the market reads the session's key, which signs it on the bus."""

_JOURNAL: Final = Rights(
    reads={"journal", "journal_counters", "cursors"},
    inserts={"journal", "cursors"},
    updates={"journal_counters": ("last_no",), "cursors": ALL},
    calls={"cursor_open", "cursor_move", "journal_append"},
) | _adds("quarantine")
"""A consumer of streams. Which streams it may append to, row level security says."""

_LEASE: Final = _keeps("leases") | Rights(calls={"lease_take", "lease_renew", "lease_release", "lease_guard"})

_STEPS: Final = _keeps("clock_acks") | Rights(reads={"risk_assessments", "orders", "cursors", "leases"})
"""A part of the order path in lockstep."""

_BUILD: Final = _keeps("builds") | Rights(deletes={"builds"})
"""Says on record what it runs, as every service of the money path does."""

_TRIPS: Final = _keeps("kill_switch")
"""Sets kill switches. Row level security lets nobody but the operator lift one."""

RIGHTS: Final[Mapping[str, Rights]] = {
    "data_collector": _TIME
    | _FEED
    | _STEPS
    | _BUILD
    | _adds("accounts", "market_quotes", "data_quarantine")
    | _keeps("instruments", "corporate_actions", "market_ohlcv")
    | Rights(
        inserts={"sessions", "cursors"},
        updates={"sessions": ("state", "speed", "market_time", "horizon", "step", "played_at")},
        calls={"ensure_market_partition"},
    ),
    "strategy_engine": _TIME
    | _FEED
    | _STEPS
    | _BUILD
    | _JOURNAL
    | _adds("signals")
    | _keeps("strategies", "strategy_states")
    | Rights(deletes={"strategies"}, calls={"strategy_states_store"}),
    "risk_manager": _TIME
    | _FEED
    | _STEPS
    | _BUILD
    | _JOURNAL
    | _LEASE
    | _TRIPS
    | _adds("orders", "risk_limits_used", "risk_alerts", "notifications", "commands")
    | _keeps("risk_assessments", "risk_states", "risk_halts", "risk_fleet", "risk_metrics", "reconcile_items")
    | Rights(
        reads={
            *("signals", "positions", "cash_balances", "cash_ledger", "trades", "risk_limits", "fill_quarantine", "strategies"),
            *("portfolio_snapshots", "jobs", "job_runs", "disarmed", "day_statements"),
            *("alembic_version", "risk_permits"),
        },
        updates={
            "risk_alerts": ("message", "times", "last_at", "told_at", "tripped_at"),
            "risk_permits": ("used_at", "signal_id"),
            "day_statements": ("state", "fills", "breaks", "detail", "read_at"),
        },
        calls={
            *("assessments_store", "risk_fleet_take", "strategy_disable", "risk_limits_begin", "risk_limits_change"),
            *("risk_alert_raise", "risk_alert_trip", "risk_permit_use"),
        },
    ),
    "trade_executor": _TIME
    | _FEED
    | _STEPS
    | _BUILD
    | _JOURNAL
    | _LEASE
    | _TRIPS
    | _adds("order_attempts", "order_events", "trades", "cash_ledger", "fill_quarantine", "notifications", "commands")
    | _keeps("positions", "cash_balances", "order_costs", "reconcile_items", "disarmed")
    | Rights(
        reads={
            *("signals", "strategies", "risk_limits", "risk_limits_used", "risk_states", "risk_halts", "risk_alerts", "jobs", "job_runs"),
            *("alembic_version", "risk_permits"),
        },
        updates={"orders": ("status", "filled_quantity", "avg_fill_price", "epoch", "events", "updated_at")},
        deletes={"disarmed"},
        calls={
            *("orders_submitting", "orders_child", "orders_adopt", "risk_limits_begin"),
            *("killed", "only_reduces", "shrinks", "unreconciled"),
        },
    ),
    "portfolio": _TIME
    | _FEED
    | _JOURNAL
    | _adds("portfolio_equity")
    | _keeps("portfolio_marks", "portfolio_snapshots")
    | Rights(reads={"orders", "signals", "trades", "positions", "cash_ledger", "cash_balances"}),
    "scheduler": _TIME
    | _FEED
    | _JOURNAL
    | _LEASE
    | _adds("notifications", "commands")
    | _keeps("jobs", "job_runs", "day_statements")
    | Rights(
        reads={
            *("risk_assessments", "risk_halts", "risk_limits", "signals", "orders", "trades", "positions", "kill_switch"),
            *("cash_ledger", "cash_balances", "portfolio_snapshots", "portfolio_equity", "fill_quarantine", "reconcile_items"),
            *("strategies", "data_quarantine", "risk_states", "risk_limits_used", "risk_metrics", "risk_alerts", "risk_permits"),
        },
        deletes={"jobs", "job_runs", "journal", "notifications", "portfolio_equity", "risk_metrics", "data_quarantine"},
        calls={"ensure_market_partition", "market_partition_drop"},
    ),
    "backtester": _TIME
    | _FEED
    | _keeps("backtests", "backtest_searches")
    | _adds("backtest_trades", "backtest_trials")
    | Rights(
        reads={
            *("orders", "trades", "signals", "risk_assessments", "risk_limits", "risk_limits_used", "cash_ledger", "clock_acks"),
            *("cursors", "leases"),
        },
    ),
    "deadman": _adds("notifications"),
    "monitor": _TIME
    | _adds("notifications")
    | _keeps("alerts", "notification_deliveries")
    | Rights(
        reads={
            *("sessions", "accounts", "strategies", "journal", "journal_counters", "cursors", "leases", "quarantine", "kill_switch"),
            *("risk_assessments", "risk_halts", "risk_limits", "risk_limits_used", "risk_alerts", "disarmed", "reconcile_items"),
            *("orders", "order_events", "trades", "cash_ledger", "fill_quarantine", "day_statements", "portfolio_snapshots"),
            "market_ohlcv",
        },
        updates={"notifications": ("planned_at", "created_at")},
    ),
    OPERATOR: _TIME
    | _JOURNAL
    | _TRIPS
    | _adds("commands", "notifications", "backtest_trades", "backtest_trials", "job_runs", "risk_permits")
    | _keeps("backtests", "backtest_searches")
    | Rights(
        reads={
            *("alembic_version", "sessions", "accounts", "instruments", "corporate_actions", "market_ohlcv", "market_quotes"),
            *("data_quarantine", "clock_acks", "leases", "strategies", "strategy_states", "signals", "risk_assessments", "orders"),
            *("order_attempts", "order_events", "order_costs", "trades", "positions", "cash_ledger", "cash_balances"),
            *("fill_quarantine", "reconcile_items", "risk_states", "risk_halts", "risk_limits", "risk_limits_used", "risk_fleet"),
            *("risk_metrics", "risk_alerts", "portfolio_marks", "portfolio_equity", "portfolio_snapshots", "portfolio_positions"),
            *("builds", "disarmed", "day_statements", "jobs", "notification_deliveries", "alerts"),
        },
        updates={
            "strategies": ("enabled", "updated_at"),
            "sessions": ("paused",),
            "reconcile_items": ("decision", "reason", "decided_by", "decided_at", "closing_since"),
            "risk_halts": ("active", "rearmed_at", "rearmed_by", "reason"),
            "risk_alerts": ("acknowledged_at", "acknowledged_by", "reason"),
        },
        calls={"risk_limits_change", "risk_alert_acknowledge", "kill_lift"},
    ),
}
"""By service: sim_venue keeps no record, so it has no role."""
