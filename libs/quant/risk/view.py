"""What risk knows when it decides, in whole ticks and lots. Read in one snapshot, changed only by its own decisions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from libs.domain.instruments import Instrument
from libs.domain.messages import Signal
from libs.domain.orders import Side, Status


class OpenOrder(NamedTuple):
    """An order that may still fill: approved, at the venue, or unknown."""

    order_id: UUID
    strategy_id: str
    symbol: str
    side: Side
    remaining: int  # lots, positive
    price: int  # limit, ticks
    status: Status

    @property
    def signed(self) -> int:
        return self.remaining if self.side == "buy" else -self.remaining


class Terms(NamedTuple):
    """What the operator gave a strategy."""

    allocation: float  # of the account's equity
    no_trade_band: float = 0.0  # of the strategy's capital


@dataclass
class View:
    """One account at one moment of market time."""

    account_id: str
    base_currency: str
    allow_short: bool
    now: int  # market ns
    stale: bool  # no market clock for three host seconds
    speed: float  # 0 in lockstep
    grace_ns: int  # a bar is known at its end plus this
    instruments: Mapping[str, Instrument]
    terms: Mapping[str, Terms]  # by strategy
    cash: Mapping[str, Decimal]
    marks: Mapping[str, float]  # close of the newest bar known, by symbol
    killed: frozenset[tuple[str, str]]  # (scope, key)
    positions: dict[tuple[str, str], int] = field(default_factory=dict)  # lots by (strategy, symbol)
    open_orders: list[OpenOrder] = field(default_factory=list)
    ordered_at: list[tuple[str, int]] = field(default_factory=list)  # (strategy, market ns) of orders of the last minute

    def book_orders(self, strategy_id: str, symbol: str) -> list[OpenOrder]:
        """Open orders of one book."""
        return [o for o in self.open_orders if o.strategy_id == strategy_id and o.symbol == symbol]

    def exposure_lots(self, symbol: str, strategy_id: str | None = None) -> tuple[int, int]:
        """Lowest and highest position the open orders can lead to, in lots; of one strategy or of the whole account."""
        held = sum(q for (s, sym), q in self.positions.items() if sym == symbol and strategy_id in (None, s))
        mine = [o.signed for o in self.open_orders if o.symbol == symbol and strategy_id in (None, o.strategy_id)]
        return held + sum(q for q in mine if q < 0), held + sum(q for q in mine if q > 0)

    def symbols(self) -> Iterator[str]:
        """Symbols with a position or an open order, each once."""
        yield from {symbol for _, symbol in self.positions} | {o.symbol for o in self.open_orders}


class Leg(NamedTuple):
    """An order to be: judged by every check before it is approved."""

    signal: Signal
    n: int
    side: Side
    lots: int  # positive
    price: int  # limit, ticks
    instrument: Instrument

    @property
    def signed(self) -> int:
        return self.lots if self.side == "buy" else -self.lots

    @property
    def notional(self) -> float:
        """Worst price times quantity, in the instrument's currency."""
        return float(self.instrument.price(self.price) * self.instrument.quantity(self.lots) * self.instrument.multiplier)


class Refusal(NamedTuple):
    """Why not: a normal answer, so a value."""

    code: str
    reason: str
    limit: str = ""
    seen: str = ""
