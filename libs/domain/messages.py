"""The words services say to each other. Frozen structs, JSON on the wire; an unknown field is ignored inside the fleet."""

from decimal import Decimal
from typing import Literal
from uuid import UUID

import msgspec

CommandName = Literal["pause", "resume", "reload", "kill", "rearm", "reconcile", "decide", "run_job", "limits", "permit", "acknowledge"]
VerdictKind = Literal["APPROVED", "NO_CHANGE", "REFUSED", "WAITING", "SUPERSEDED", "EXPIRED"]


class Signal(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A strategy's target for one symbol at one bar; nothing has been checked yet."""

    signal_id: UUID
    session_id: str
    account_id: str
    strategy_id: str
    symbol: str
    timeframe: str
    bar_time: int  # start of the bar that was decided on, market ns
    decided_at: int  # when that bar was known, market ns
    target: float  # fraction of the strategy's capital, -1 to 1
    confidence: float  # 0 to 1
    scale: float = 1.0  # of the strategy's capital, as its sizing says: 0.5 trades half
    reference_price: float  # close of the decided bar
    valid_until: int  # market ns; traded after it never
    reason: str
    triggered_ns: int  # host ns at which the event that closed the bar was received: latency counts from here


class PositionUpdate(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A book after a fill."""

    account_id: str
    strategy_id: str
    symbol: str
    quantity: Decimal
    avg_cost: Decimal
    realized_pnl: Decimal
    market_time: int


class PortfolioSnapshot(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What an account is worth at its marks; money in its base currency. A view for people: nothing is sized by it."""

    account_id: str
    currency: str
    equity: Decimal
    cash: Decimal
    day_pnl: Decimal  # since the trading day began: realised, unrealised and fees, less what was paid in
    total_pnl: Decimal  # since the account was opened
    drawdown: float  # fall from the highest equity, as a share of it
    gross_exposure: float  # longs plus shorts, as a share of equity
    net_exposure: float
    market_time: int


class RiskAlert(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A refusal, or something a person should know."""

    code: str  # RC-..., as in the assessment
    severity: Literal["info", "warning", "critical"]
    account_id: str
    strategy_id: str
    symbol: str
    message: str
    limit: str
    seen: str
    market_time: int


class Notification(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something a person should hear of; its row says the same, and is what is delivered."""

    notification_id: UUID
    kind: Literal["trade", "risk", "system", "report"]
    severity: Literal["info", "warning", "critical"]
    state: Literal["note", "firing", "resolved"]  # a note stands for itself; the others begin and end what `key` names
    key: str
    title: str
    body: str  # Markdown
    link: str


class Command(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An operator's word to services. The rows it changed are the truth; this is the bell."""

    command: CommandName
    scope: str  # fleet, account, strategy, symbol or job, with its key: "strategy:sma_fast"; of limits: what for
    reason: str
    by: str
