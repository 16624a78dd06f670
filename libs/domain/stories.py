"""What one account did over a stretch of market time, told the same way by a fleet's record and by a backtest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple


class SignalKey(NamedTuple):
    """Which signal."""

    bar_time: int
    strategy_id: str
    symbol: str
    timeframe: str


class SaidSignal(NamedTuple):
    """What it said."""

    target: float
    scale: float
    reference_price: float


class OrderKey(NamedTuple):
    """Which order: the leg of a signal. Orders that answer no signal (protection) are not told."""

    signal: SignalKey
    leg: int


class PlacedOrder(NamedTuple):
    """What was ordered."""

    side: str
    order_type: str
    quantity: Decimal
    price: Decimal | None
    expires_at: int


class TradeKey(NamedTuple):
    """Which fill of an order, from 1."""

    order: OrderKey
    n: int


class MadeTrade(NamedTuple):
    """What was filled."""

    side: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    executed_at: int
    pnl: Decimal


class Outcome(NamedTuple):
    """What risk made of a signal, or a venue of an order, in a word and with its reason."""

    verdict: str
    code: str
    reason: str


@dataclass(frozen=True)
class Story:
    """Everything that is compared, and why things did not happen."""

    signals: Mapping[SignalKey, SaidSignal]
    orders: Mapping[OrderKey, PlacedOrder]
    trades: Mapping[TradeKey, MadeTrade]
    ledger: Mapping[tuple[str, str, str], Decimal]  # by (strategy, ledger account, commodity) at the end
    verdicts: Mapping[SignalKey, Outcome] = field(default_factory=dict)
    ends: Mapping[OrderKey, str] = field(default_factory=dict)  # status of each order


Cause = Literal["data", "timing", "fee", "slippage", "refusal", "follows"]


class Difference(NamedTuple):
    """One thing that a fleet and a backtest do not tell alike."""

    kind: str  # signal, order, trade, balance
    cause: Cause
    at: int  # start of the decided bar, market ns; 0 for balances
    what: str
    fleet: str
    backtest: str
    why: str
