"""Signals, limits, one account's view, tapes and setups for tests: every value plausible, so that a test names only what it
is about.

Market time is NOON; the stock costs 100 and the account is worth 100,000.
"""

import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from libs.domain.columns import Columns
from libs.domain.configuration import LimitConfig, LimitName, LimitUnit, StrategyConfig
from libs.domain.identity import signal_id
from libs.domain.instruments import Instrument
from libs.domain.messages import Signal
from libs.domain.orders import Side, Status
from libs.quant.backtest.setup import Setup
from libs.quant.backtest.tape import Tape
from libs.quant.fills import FillTerms
from libs.quant.risk.limits import Limits
from libs.quant.risk.view import Leg, OpenOrder, Terms, View
from tests.paper import ALFA, COIN

SECOND = 1_000_000_000
NOON = 1_736_164_800 * SECOND
INSTRUMENTS = {"ALFA": ALFA, "BTC/USD": COIN}


class HandClock:
    """A host clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now_ns(self) -> int:
        return NOON + int(self.seconds * SECOND)

    def monotonic(self) -> float:
        return self.seconds

    def move(self, seconds: float) -> None:
        self.seconds += seconds


def a_signal(
    target: float = 1.0,
    *,
    strategy_id: str = "fast",
    symbol: str = "ALFA",
    bar_time: int = NOON - SECOND,
    decided_at: int = NOON,
    reference_price: float = 100.0,
    valid_until: int = NOON + 5 * SECOND,
    confidence: float = 1.0,
    timeframe: str = "1s",
    account_id: str = "paper",
    session_id: str = "session",
) -> Signal:
    """A target of one strategy; another `bar_time` makes another signal of the same book."""
    return Signal(
        signal_id=signal_id(session_id, strategy_id, symbol, timeframe, bar_time),
        session_id=session_id,
        account_id=account_id,
        strategy_id=strategy_id,
        symbol=symbol,
        timeframe=timeframe,
        bar_time=bar_time,
        decided_at=decided_at,
        target=target,
        confidence=confidence,
        reference_price=reference_price,
        valid_until=valid_until,
        reason="test",
        triggered_ns=0,
    )


def a_limit(name: LimitName, value: float, *, scope: Any = "account", key: str = "*", unit: LimitUnit = "currency") -> LimitConfig:
    return LimitConfig(scope=scope, key=key, name=name, value=value, unit=unit)


COLLAR = a_limit("price_collar", 0.02, scope="order", unit="fraction")


def the_limits(*more: LimitConfig) -> Limits:
    """A collar of 2 %, without which nothing is ordered, and what else the test is about."""
    return Limits([COLLAR, *more])


def a_view(**changed: Any) -> View:
    """An account with 100,000 USD and nothing else; strategies fast and slow may use all of it."""
    values: dict[str, Any] = {
        "account_id": "paper",
        "account_name": "paper",
        "base_currency": "USD",
        "kind": "margin",
        "allow_short": False,
        "now": NOON,
        "stale": False,
        "speed": 1.0,
        "grace_ns": SECOND // 4,
        "instruments": INSTRUMENTS,
        "terms": {"fast": Terms(1.0), "slow": Terms(1.0)},
        "cash": {"USD": Decimal(100_000)},
        "marks": {"ALFA": 100.0, "BTC/USD": 20_000.0},
        "killed": {},
    }
    return View(**(values | changed))


def an_open_order(
    lots: int, *, price: int = 10_000, strategy_id: str = "fast", symbol: str = "ALFA", status: Status = Status.ACKED, n: int = 1
) -> OpenOrder:
    """An order for signed `lots` at `price` ticks."""
    side: Side = "buy" if lots > 0 else "sell"
    return OpenOrder(UUID(int=n), strategy_id, symbol, side, abs(lots), price, status)


def a_leg(lots: int, *, price: int = 10_000, strategy_id: str = "fast", instrument: Instrument = ALFA) -> Leg:
    """An order to be for signed `lots` at `price` ticks."""
    side: Side = "buy" if lots > 0 else "sell"
    notional = float(instrument.price(price) * instrument.quantity(abs(lots)) * instrument.multiplier)
    return Leg(a_signal(strategy_id=strategy_id, symbol=instrument.symbol), 0, side, abs(lots), price, instrument, notional)


# --- recorded markets and backtests

MINUTE = 60 * SECOND
Prices = tuple[float, float, float, float]
"""Open, high, low, close."""


def columns(bars: Sequence[Prices | float], *, start: int = NOON, step: int = MINUTE, volume: float = 1e6) -> Columns:
    """Bars one after another; a lone number is all four prices of its bar."""
    prices = [bar if isinstance(bar, tuple) else (bar,) * 4 for bar in bars]
    opens, highs, lows, closes = ([bar[at] for bar in prices] for at in range(4))
    return Columns([start + n * step for n in range(len(bars))], opens, highs, lows, closes, [volume] * len(bars))


def walks(seed: int, length: int, *symbols: str, gaps: float = 0.0) -> dict[str, Columns]:
    """A random walk in ticks around 100 for each symbol, a share of the bars missing; bars may jump and be flat."""
    draw = random.Random(seed)
    found = {}
    for symbol in symbols:
        price, rows = 10_000, []
        for n in range(length):
            opens = price + draw.choice((0, 0, draw.randint(-40, 40)))
            price = max(100, opens + draw.choice((0, draw.randint(-150, 150))))
            high, low = max(opens, price) + draw.randint(0, 50), min(opens, price) - draw.randint(0, 50)
            if draw.random() >= gaps:
                prices = (ticks / 100 for ticks in (opens, high, low, price))
                rows.append((NOON + n * MINUTE, *prices, draw.choice((50.0, 5_000.0))))
        found[symbol] = Columns(*map(list, zip(*rows, strict=True))) if rows else Columns([], [], [], [], [], [])
    return found


def a_tape(minutes: Mapping[str, Columns], **changed: Any) -> Tape:
    """Minutes by symbol, that orders fill on too; every symbol is traded as ALFA is."""
    instruments = {symbol: msgspec.structs.replace(ALFA, symbol=symbol) for symbol in minutes}
    values: dict[str, Any] = {"instruments": instruments, "bars": {"1m": minutes}, "fill_on": dict.fromkeys(minutes, "bar")}
    return Tape(**(values | changed))


def a_strategy(class_name: str = "sma_cross", strategy_id: str = "fast", **changed: Any) -> StrategyConfig:
    """The yardstick on closes alone: ten units while the price has just risen."""
    values: dict[str, Any] = {"symbols": ["*"], "account": "paper", "allocation": 1.0}
    if class_name == "sma_cross":
        values |= {"params": {"fast": 1, "slow": 2}, "sizing": "fixed:10"}
    return StrategyConfig(id=strategy_id, class_name=class_name, **(values | changed))


def a_setup(*strategies: StrategyConfig, **changed: Any) -> Setup:
    """100,000 USD, risk off, trading costs nothing."""
    values: dict[str, Any] = {
        "account_id": "account",
        "account_name": "paper",
        "base_currency": "USD",
        "deposit": Decimal(100_000),
        "strategies": strategies or (a_strategy(),),
        "terms": FillTerms(bar_participation=None),
        "limits": None,
    }
    return Setup(**(values | changed))
