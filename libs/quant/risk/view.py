"""What risk knows when it decides, in whole ticks and lots. Read in one snapshot, changed only by its own decisions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from libs.domain.instruments import Instrument
from libs.domain.kill import Kills
from libs.domain.losses import Halt
from libs.domain.messages import Signal
from libs.domain.orders import Exits, Side, Status


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
    units: float | None = None  # held at target 1, whatever the equity; None: a share of it
    execution: str = ""  # how its orders are worked; "": sent whole
    exits: Exits | None = None  # what is to stand against its positions at the venue


class Check(NamedTuple):
    """A control that was passed: what it compared."""

    code: str
    what: str
    limit: float | str | None
    seen: float | str | None


@dataclass
class View:
    """One account at one moment of market time. Positions stand still while it is used; only `reserve` changes it."""

    account_id: str
    account_name: str  # as configured: limits are keyed by it, whatever session opened the account
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
    killed: Kills
    halts: tuple[Halt, ...] = ()  # loss limits that were passed over: while there are any the account may only close
    positions: Mapping[tuple[str, str], int] = field(default_factory=dict)  # lots by (strategy, symbol)
    open_orders: list[OpenOrder] = field(default_factory=list)
    ordered: dict[str, int] = field(default_factory=dict)  # by strategy: orders decided within the last minute of market time
    checks: list[Check] | None = None  # what the controls compared is noted here; None: nobody wants to know
    _gross: float | None = field(default=None, init=False)
    _equity: float | None = field(default=None, init=False)
    _known_ranges: dict[tuple[str | None, str], tuple[int, int]] | None = field(default=None, init=False)
    _lot_values: dict[str, float] = field(default_factory=dict, init=False)

    def note(self, code: str, what: str, limit: float | str | None, seen: float | str | None) -> None:
        """A control has looked at `seen` beside `limit`, and will say itself if that is too much."""
        if self.checks is not None:
            self.checks.append(Check(code, what, limit, seen))

    def reserve(self, order: OpenOrder) -> None:
        """Takes an approved order in: whatever is judged later sees it."""
        if self._gross is not None:
            self._gross = self.gross(order.symbol, order.signed)
        _count(self._ranges, order)  # before the order is in the list: made now, it would hold it already
        self.open_orders.append(order)
        self.ordered[order.strategy_id] = self.ordered.get(order.strategy_id, 0) + 1

    def book_orders(self, strategy_id: str, symbol: str) -> list[OpenOrder]:
        """Open orders of one book."""
        return [o for o in self.open_orders if o.strategy_id == strategy_id and o.symbol == symbol]

    def exposure_lots(self, symbol: str, strategy_id: str | None = None) -> tuple[int, int]:
        """Lowest and highest position the open orders can lead to, in lots; of one strategy or of the whole account."""
        low, high = self._ranges.get((strategy_id, symbol), (0, 0))
        return low, high

    def symbols(self) -> Iterator[str]:
        """Symbols with a position or an open order, each once."""
        return (symbol for strategy_id, symbol in self._ranges if strategy_id is None)

    def gross(self, symbol: str, change: int) -> float:
        """Sum of every symbol's worst case, longs and shorts alike, were `change` more lots of `symbol` on order too.

        Raises:
            LookupError: a symbol without a price.
        """
        if self._gross is None:
            self._gross = sum(abs(self.value(other, self.worst_lots(other, None, 0))) for other in sorted(self.symbols()))
        now = abs(self.value(symbol, self.worst_lots(symbol, None, 0)))
        return self._gross - now + abs(self.value(symbol, self.worst_lots(symbol, None, change)))

    def net(self, symbol: str, change: int) -> float:
        """How far longs and shorts of all symbols together can come in the direction of `change` more lots of `symbol`, were every open
        order of that direction filled and none of the other. Negative while they stay on the other side.

        Raises:
            LookupError: a symbol without a price.
        """
        ends = {other: self.exposure_lots(other)[change > 0] for other in (*self.symbols(), symbol)}
        ends[symbol] += change
        net = sum(self.value(other, ends[other]) for other in sorted(ends))
        return net if change > 0 else -net

    def worst_lots(self, symbol: str, strategy_id: str | None, change: int) -> int:
        """The largest position, either side, that open orders and `change` more lots can lead to."""
        low, high = self.exposure_lots(symbol, strategy_id)
        return max(abs(low + min(change, 0)), abs(high + max(change, 0)))

    @property
    def _ranges(self) -> dict[tuple[str | None, str], tuple[int, int]]:
        """(lowest, highest) position by (strategy, symbol), and by (None, symbol) for the account."""
        if self._known_ranges is None:
            self._known_ranges = self._counted()
        return self._known_ranges

    def _counted(self) -> dict[tuple[str | None, str], tuple[int, int]]:
        ranges: dict[tuple[str | None, str], tuple[int, int]] = {}
        for (strategy, symbol), lots in self.positions.items():
            for key in ((strategy, symbol), (None, symbol)):
                low, high = ranges.get(key, (0, 0))
                ranges[key] = (low + lots, high + lots)
        for order in self.open_orders:
            _count(ranges, order)
        return ranges

    @property
    def equity(self) -> float:
        """Cash of the ledger plus every position at the close of the newest bar known, in the base currency.

        The one figure that sizes, live and in the backtester.

        Raises:
            LookupError: a position without a price, or money in a currency without a rate: no size can be trusted then.
        """
        if self._equity is None:
            self._equity = self._worth()
        return self._equity

    def _worth(self) -> float:
        total = money(self.cash, self.base_currency)
        for (_, symbol), lots in sorted(self.positions.items()):
            if lots:
                total += self.value(symbol, lots)
        return total

    def value(self, symbol: str, lots: int) -> float:
        """Signed worth of a number of lots at the newest known close, base currency; LookupError without a price."""
        return lots * self._lot_value(symbol)

    def _lot_value(self, symbol: str) -> float:
        known = self._lot_values.get(symbol)
        if known is None:
            instrument, mark = self.instruments.get(symbol), self.marks.get(symbol)
            if instrument is None or mark is None:
                raise LookupError(f"a position in {symbol} and no price of it")
            if instrument.currency != self.base_currency:
                raise LookupError(f"{symbol} is priced in {instrument.currency} and there is no rate to {self.base_currency}")
            known = self._lot_values[symbol] = units(instrument) * mark
        return known


def money(cash: Mapping[str, Decimal], base_currency: str) -> float:
    """Cash in the base currency; LookupError when there is some in another: there are no rates yet."""
    total = 0.0
    for currency, amount in cash.items():
        if currency != base_currency and amount:
            raise LookupError(f"{amount} {currency} in cash and no rate to {base_currency}")
        total += float(amount)
    return total


def units(instrument: Instrument) -> float:
    """What a price is multiplied by for the worth of one lot."""
    return float(instrument.lot * instrument.multiplier)


def _count(ranges: dict[tuple[str | None, str], tuple[int, int]], order: OpenOrder) -> None:
    signed = order.signed
    for key in ((order.strategy_id, order.symbol), (None, order.symbol)):
        low, high = ranges.get(key, (0, 0))
        ranges[key] = (low + min(signed, 0), high + max(signed, 0))


class Leg(NamedTuple):
    """An order to be: judged by every check before it is approved."""

    signal: Signal
    n: int
    side: Side
    lots: int  # positive
    price: int  # limit, ticks
    instrument: Instrument
    execution: str = ""  # how it is to be worked; "": sent whole
    closes: bool = False  # it can but bring its book nearer to zero
    protect: Exits | None = None  # of one that opens or adds

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
