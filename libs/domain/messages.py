"""The words services say to each other. Frozen structs, JSON on the wire; an unknown field is ignored inside the fleet."""

from decimal import Decimal
from typing import Literal
from uuid import UUID

import msgspec

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


class Command(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An operator's word to services. The rows it changed are the truth; this is the bell."""

    command: Literal["pause", "resume", "reload", "kill", "rearm"]
    scope: str  # fleet, account, strategy or symbol, with its key: "strategy:sma_fast"
    reason: str
    by: str
