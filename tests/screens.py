"""Snapshots of the live screen for tests: every value plausible, so that a test names only what it is about."""

from decimal import Decimal
from typing import Any, Final

from fleet.screen import layout
from fleet.screen.model import Account, Alert, Light, Path, Snapshot
from fleet.watching import Latency
from libs.store.queries.screen import AccountSeen, BookSeen, Price, SessionSeen

D = Decimal
AT: Final = 1_736_173_805_000_000_000  # 2025-01-06 14:30:05 UTC
NAMES: Final = (
    "data_collector",
    "strategy_engine",
    "risk_manager",
    "trade_executor",
    "portfolio",
    "scheduler",
    "monitor",
    "backtester",
    "Postgres",
    "Valkey",
)
DOWN: Final = Alert(
    "service_down:risk_manager", "critical", "risk_manager: not listening", "signals wait, and expire", "docs/runbooks/service-down.md", ""
)


def an_account(**changed: Any) -> Account:
    """100,000 USD in the morning, 24.19 less now, 29,562.12 of it in the market."""
    seen = AccountSeen(
        account_id="paper",
        name="paper",
        currency="USD",
        deposit=D(100_000),
        opened=True,
        cash=D("70413.69"),
        day_equity=D(100_000),
        peak_equity=D(100_050),
    )
    values: dict[str, Any] = {
        "seen": seen,
        "equity": 99_975.81,
        "day_pnl": -24.19,
        "drawdown": 0.00075,
        "gross": 29_562.12,
        "gross_limit": 49_987.90,
    }
    return Account(**(values | changed))


def a_book(symbol: str = "DELT", quantity: int = 51, strategy: str = "sma_fast", **changed: Any) -> BookSeen:
    values: dict[str, Any] = {
        "account_id": "paper",
        "strategy_id": strategy,
        "symbol": symbol,
        "quantity": D(quantity),
        "avg_cost": D("293.97"),
        "mark": 294.1,
        "value": D("14999.10"),
        "unrealized_pnl": D("6.63"),
        "realized_pnl": D("-3.06"),
    }
    return BookSeen(**(values | changed))


def a_snapshot(**changed: Any) -> Snapshot:
    """A fleet that is well, in the middle of a day."""
    values: dict[str, Any] = {
        "market": "synthetic market, seed 1, 10x",
        "prices": "invented prices",
        "uptime_s": 72.0,
        "session": SessionSeen(state="running", paused=False, market_time=AT),
        "services": [Light(name, "healthy", 70.0, 0) for name in NAMES],
        "accounts": [an_account()],
        "books": [a_book(), a_book("ALFA", 0, unrealized_pnl=D(0), realized_pnl=D("12.5"))],
        "closes": [Price("ALFA", 2, 386.9, [386.0, 387.5, 387.04]), Price("BTC/USD", 2, 93_000.0, [95_000.0, 95_382.1])],
        "path": Path(139, 105, 101, 2, {"RC-B02": 12, "RC-C01": 2}, Latency(n=9, p50=9.557, p99=44.401)),
        "events": [f"14:30:{second:02d}  trade     bought {second} DELT @ 293.97 (sma_fast)" for second in range(60)],
    }
    return Snapshot(**(values | changed))


def shown(snapshot: Snapshot, width: int = 100, height: int = 30) -> list[str]:
    """The screen as text, line by line."""
    return [line.plain for line in layout.lines(snapshot, width, height)]
