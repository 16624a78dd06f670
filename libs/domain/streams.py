"""Every channel and stream of the fleet: its name, what it carries, and who may write it. docs/asyncapi.yaml is made from this."""

from dataclasses import dataclass
from typing import Final

from libs.domain import market, messages, orders, trades


@dataclass(frozen=True)
class Channel:
    """One conversation. `stream` is the journal stream behind it; None for what is live or nothing."""

    address: str
    payload: tuple[type, ...]
    writers: frozenset[str]
    about: str
    stream: str | None = None
    parameter: str | None = None

    def of(self, value: str) -> str:
        """The address with its parameter filled in."""
        return self.address.replace(f"{{{self.parameter}}}", value) if self.parameter else self.address

    @property
    def pattern(self) -> str:
        """What a watcher of all its addresses subscribes to."""
        return self.of("*")


MARKET_DATA: Final = Channel(
    "market_data.{symbol}",
    (market.Quote, market.TradeTick, market.Bar, market.QuoteBar),
    frozenset({"data_collector"}),
    "Quotes, trades and closed bars of one symbol; one envelope carries an array of them.",
    parameter="symbol",
)
CLOCK: Final = Channel("market_data.clock", (market.Clock,), frozenset({"data_collector"}), "Market time, and which bars have closed.")
SIGNALS: Final = Channel(
    "signals.{strategy_id}",
    (messages.Signal,),
    frozenset({"strategy_engine"}),
    "Targets of one strategy.",
    stream="signals",
    parameter="strategy_id",
)
ORDERS_APPROVED: Final = Channel(
    "orders.approved",
    (orders.Order, orders.CancelRequest),
    frozenset({"risk_manager"}),
    "Sized and approved orders, and cancels.",
    stream="orders.approved",
)
ORDERS_UPDATES: Final = Channel(
    "orders.updates",
    (orders.OrderEvent,),
    frozenset({"trade_executor"}),
    "Every step of every order.",
    stream="orders.updates",
)
TRADES_EXECUTED: Final = Channel(
    "trades.executed", (trades.Trade,), frozenset({"trade_executor"}), "Booked fills.", stream="trades.executed"
)
PORTFOLIO_UPDATES: Final = Channel(
    "portfolio.updates",
    (messages.PositionUpdate, messages.PortfolioSnapshot),
    frozenset({"trade_executor", "portfolio"}),
    "Books after fills, and what accounts are worth at their marks.",
    stream="portfolio.updates",
)
RISK_ALERTS: Final = Channel(
    "risk.alerts", (messages.RiskAlert,), frozenset({"risk_manager"}), "Refusals and alarms.", stream="risk.alerts"
)
CONTROL: Final = Channel(
    "control.{service}",
    (messages.Command,),
    frozenset({"fleet", "risk_manager", "scheduler", "trade_executor"}),
    "What the operator, or a job, asks of a service.",
    stream="commands",
    parameter="service",
)
NOTIFICATIONS: Final = Channel(
    "notifications.{kind}",
    (messages.Notification,),
    frozenset({"monitor", "risk_manager", "scheduler", "trade_executor"}),
    "What a person should hear of. A bell: the rows of `notifications` are delivered.",
    parameter="kind",
)

CHANNELS: Final = (
    MARKET_DATA,
    CLOCK,
    SIGNALS,
    ORDERS_APPROVED,
    ORDERS_UPDATES,
    TRADES_EXECUTED,
    PORTFOLIO_UPDATES,
    RISK_ALERTS,
    CONTROL,
    NOTIFICATIONS,
)
