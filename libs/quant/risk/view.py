"""What risk knows when it decides, in whole ticks and lots. Read in one snapshot, changed only by its own decisions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Final, Literal, NamedTuple
from uuid import UUID

from libs.domain.guards import Reason
from libs.domain.instruments import Calendar, Instrument
from libs.domain.kill import Kills, stricter
from libs.domain.losses import Halt, loss
from libs.domain.messages import Signal
from libs.domain.orders import Exits, Side, Status
from libs.domain.sizings import Sizing
from libs.quant.calendars import Session, session_of
from libs.quant.risk.flow import Flow
from libs.quant.risk.grid import Grid, grid_of
from libs.quant.risk.permits import Permit
from libs.quant.sizing_factors import Edge


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
    sizing: Sizing = Sizing()  # what a target is worth
    execution: str = ""  # how its orders are worked; "": sent whole
    exits: Exits | None = None  # what is to stand against its positions at the venue
    symbols: frozenset[str] | None = None  # what it may trade; None: whatever the account may


SIZED: Final = "SIZE"
"""The code of a check that is none: a factor that a size was multiplied by, `seen`."""
NO_EDGE: Final = Edge(0, 0, 0.0, 0.0)


class Check(NamedTuple):
    """A control that was passed: what it compared."""

    code: str
    what: str
    limit: float | str | None
    seen: float | str | None


class Quoted(NamedTuple):
    """The newest quote known of a symbol, as its bar or its ticks closed."""

    bid: float
    ask: float


class Outcomes(NamedTuple):
    """What has become of a strategy's orders of the last hour that have ended."""

    ended: int
    traded: int  # of them, with a fill
    canceled: int  # of them, because we asked for it


class Others(NamedTuple):
    """What the other accounts of the fleet hold together, at worst case; money in the base currency of the one that asks."""

    equity: float | None  # None: one of them has not been valued yet
    gross: float
    low: float  # of the net exposure
    high: float
    positions: Mapping[str, tuple[float, float]]  # by symbol: lowest and highest worth
    open_orders: int
    per_second: int  # orders decided
    per_minute: int


NOBODY: Final = Others(0.0, 0.0, 0.0, 0.0, {}, 0, 0, 0)


@dataclass
class View:
    """One account at one moment of market time. Positions stand still while it is used; only `reserve` changes it."""

    account_id: str
    account_name: str  # as configured: limits are keyed by it, whatever session opened the account
    base_currency: str
    kind: Literal["cash", "margin"]
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
    disarmed: Sequence[Reason] = ()  # by the state of the system it runs on; nothing where there is none: in a backtest, in lockstep
    halts: tuple[Halt, ...] = ()  # loss limits that were passed over: while there are any the account may only close
    peak: float | None = None  # equity that its fall is measured from, base currency; None: never valued yet
    edges: Mapping[str, Edge] = field(default_factory=dict)  # by strategy, of those whose sizing asks for it
    positions: Mapping[tuple[str, str], int] = field(default_factory=dict)  # lots by (strategy, symbol)
    open_orders: list[OpenOrder] = field(default_factory=list)
    flow: Flow = field(default_factory=Flow)  # of its own orders, lately
    before: Mapping[str, float] = field(default_factory=dict)  # the close before the mark, by symbol
    quotes: Mapping[str, Quoted] = field(default_factory=dict)  # by symbol; where the market has none nothing is said of a spread
    volumes: Mapping[str, float] = field(default_factory=dict)  # units traded on an average day, by symbol, where that is known
    outcomes: Mapping[str, Outcomes] = field(default_factory=dict)  # by strategy; where no limit asks for them there are none
    others: Others | None = None  # None: it is the only account there is, or no limit is for all of them
    others_unknown: str = ""  # why nobody can say what they hold
    permits: Sequence[Permit] = ()  # the smallest first; nobody gives one in a backtest
    grids: dict[str, Grid] = field(default_factory=dict)  # by symbol, filled as they are asked for; outlives a view
    checks: list[Check] | None = None  # what the controls compared is noted here; None: nobody wants to know
    ages: dict[str, int] = field(default_factory=dict, init=False)  # by timeframe: how old a reference price may be, ns
    _gross: float | None = field(default=None, init=False)
    _free_cash: float | None = field(default=None, init=False)
    _known_net: tuple[float, float] | None = field(default=None, init=False)
    _books: dict[tuple[str, str], list[OpenOrder]] | None = field(default=None, init=False)
    _symbols: dict[str, list[OpenOrder]] | None = field(default=None, init=False)
    _sessions: dict[Calendar, Session | None] = field(default_factory=dict, init=False)
    _lot_values: dict[str, float] = field(default_factory=dict, init=False)

    def note(self, code: str, what: str, limit: float | str | None, seen: float | str | None) -> None:
        """A control has looked at `seen` beside `limit`, and will say itself if that is too much."""
        if self.checks is not None:
            self.checks.append(Check(code, what, limit, seen))

    def reserve(self, order: OpenOrder) -> None:
        """Takes an approved order in: whatever is judged later sees it."""
        if self._gross is not None:
            self._gross = self.gross(order.symbol, order.signed)
        if self._known_net is not None:
            low, high = self._known_net
            more = self.value(order.symbol, order.signed)
            self._known_net = low + min(more, 0.0), high + max(more, 0.0)
        if self._free_cash is not None:
            self._free_cash -= self._cost(order)
        _count(self._ranges, order)  # before the order is in the list: made now, it would hold it already
        if self._books is not None and self._symbols is not None:
            self._books.setdefault((order.strategy_id, order.symbol), []).append(order)
            self._symbols.setdefault(order.symbol, []).append(order)
        self.open_orders.append(order)

    def permit(self, leg: "Leg") -> Permit | None:
        """A person's word for this order, where there is one."""
        of = leg.signal.strategy_id, leg.signal.symbol, leg.side, leg.lots
        return next((permit for permit in self.permits if permit.covers(*of)), None)

    def disable(self, strategy_id: str) -> None:
        """From here on the strategy may only reduce its books, as if a person had said so."""
        scope = ("strategy", strategy_id)
        self.killed = {**self.killed, scope: stricter(self.killed.get(scope), "reduce_only") or "reduce_only"}

    def book_orders(self, strategy_id: str, symbol: str) -> Sequence[OpenOrder]:
        """Open orders of one book."""
        if self._books is None:
            self._index()
        assert self._books is not None
        return self._books.get((strategy_id, symbol), ())

    def symbol_orders(self, symbol: str) -> Sequence[OpenOrder]:
        """Open orders of one symbol, of whatever strategy."""
        if self._symbols is None:
            self._index()
        assert self._symbols is not None
        return self._symbols.get(symbol, ())

    def _index(self) -> None:
        self._books, self._symbols = {}, {}
        for order in self.open_orders:
            self._books.setdefault((order.strategy_id, order.symbol), []).append(order)
            self._symbols.setdefault(order.symbol, []).append(order)

    def grid(self, symbol: str) -> Grid:
        """Steps of an instrument, as plain numbers."""
        found = self.grids.get(symbol)
        if found is None:
            found = self.grids[symbol] = grid_of(self.instruments[symbol])
        return found

    def session(self, calendar: Calendar) -> Session | None:
        """The session of a market that is under way; None while it is shut."""
        if calendar not in self._sessions:
            self._sessions[calendar] = session_of(calendar, self.now)
        return self._sessions[calendar]

    def exposure_lots(self, symbol: str, strategy_id: str | None = None) -> tuple[int, int]:
        """Lowest and highest position the open orders can lead to, in lots; of one strategy or of the whole account."""
        return self._ranges.get((strategy_id, symbol), _NOTHING)

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
        low, high = self._ranges.get((None, symbol), _NOTHING)
        now, lot = high if high > -low else -low, abs(self.lot_value(symbol))
        if change > 0:
            high += change
        else:
            low += change
        return self._gross - lot * now + lot * (high if high > -low else -low)

    def elsewhere(self) -> Others:
        """What the other accounts hold.

        Raises:
            LookupError: nobody can say.
        """
        if self.others_unknown:
            raise LookupError(self.others_unknown)
        return self.others or NOBODY

    def free_cash(self) -> float:
        """Money in the base currency that no open buy order may still take, each at its limit."""
        if self._free_cash is None:
            taken = sum(self._cost(order) for order in self.open_orders)
            self._free_cash = float(self.cash.get(self.base_currency, 0)) - taken
        return self._free_cash

    def _cost(self, order: OpenOrder) -> float:
        return self.grid(order.symbol).notional(order.remaining, order.price) if order.side == "buy" else 0.0

    def shrinks(self, leg: "Leg", strategy_id: str | None) -> bool:
        """Whether the leg, filled after everything open, can only bring the position nearer to zero; of one strategy or the account."""
        low, high = self.exposure_lots(leg.signal.symbol, strategy_id)
        return 0 < leg.lots <= (low if leg.side == "sell" else -high)

    def net(self, symbol: str, change: int) -> float:
        """How far longs and shorts of all symbols together can come in the direction of `change` more lots of `symbol`, were every open
        order of that direction filled and none of the other. Negative while they stay on the other side.

        Raises:
            LookupError: a symbol without a price.
        """
        low, high = self._net
        return high + self.value(symbol, change) if change > 0 else -low - self.value(symbol, change)

    @property
    def _net(self) -> tuple[float, float]:
        """Lowest and highest sum of all positions, shorts negative."""
        if self._known_net is None:
            ranges = [(other, *self.exposure_lots(other)) for other in sorted(self.symbols())]
            low, high = sum(self.value(other, low) for other, low, _ in ranges), sum(self.value(other, high) for other, _, high in ranges)
            self._known_net = low, high
        return self._known_net

    def worst_lots(self, symbol: str, strategy_id: str | None, change: int) -> int:
        """The largest position, either side, that open orders and `change` more lots can lead to."""
        low, high = self._ranges.get((strategy_id, symbol), _NOTHING)
        if change > 0:
            high += change
        else:
            low += change
        return high if high > -low else -low  # of two that are in order one is the farther from zero

    @cached_property
    def _ranges(self) -> dict[tuple[str | None, str], tuple[int, int]]:
        """(lowest, highest) position by (strategy, symbol), and by (None, symbol) for the account."""
        return self._counted()

    def _counted(self) -> dict[tuple[str | None, str], tuple[int, int]]:
        ranges: dict[tuple[str | None, str], tuple[int, int]] = {}
        for (strategy, symbol), lots in self.positions.items():
            for key in ((strategy, symbol), (None, symbol)):
                low, high = ranges.get(key, (0, 0))
                ranges[key] = (low + lots, high + lots)
        for order in self.open_orders:
            _count(ranges, order)
        return ranges

    @cached_property
    def equity(self) -> float:
        """Cash of the ledger plus every position at the close of the newest bar known, in the base currency.

        The one figure that sizes, live and in the backtester.

        Raises:
            LookupError: a position without a price, or money in a currency without a rate: no size can be trusted then.
        """
        return self._worth()

    @property
    def drawdown(self) -> float:
        """Share of the peak that is gone, below 0 above it; LookupError as `equity`."""
        return 0.0 if self.peak is None else loss(self.peak, self.equity)

    def _worth(self) -> float:
        total = money(self.cash, self.base_currency)
        for (_, symbol), lots in sorted(self.positions.items()):
            if lots:
                total += self.value(symbol, lots)
        return total

    def value(self, symbol: str, lots: int) -> float:
        """Signed worth of a number of lots at the newest known close, base currency; LookupError without a price."""
        return lots * self.lot_value(symbol)

    def lot_value(self, symbol: str) -> float:
        """Worth of one lot at the newest known close, base currency; LookupError without a price."""
        known = self._lot_values.get(symbol)
        if known is None:
            instrument, mark = self.instruments.get(symbol), self.marks.get(symbol)
            if instrument is None or mark is None:
                raise LookupError(f"a position in {symbol} and no price of it")
            if instrument.currency != self.base_currency:
                raise LookupError(f"{symbol} is priced in {instrument.currency} and there is no rate to {self.base_currency}")
            known = self._lot_values[symbol] = self.grid(symbol).units * mark
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


_NOTHING: Final = (0, 0)


class Leg(NamedTuple):
    """An order to be: judged by every check before it is approved."""

    signal: Signal
    n: int
    side: Side
    lots: int  # positive
    price: int  # limit, ticks
    instrument: Instrument
    notional: float  # at its limit, in the instrument's currency
    execution: str = ""  # how it is to be worked; "": sent whole
    closes: bool = False  # it can but bring its book nearer to zero
    protect: Exits | None = None  # of one that opens or adds
    permit: UUID | None = None  # without which it would be too large

    @property
    def signed(self) -> int:
        return self.lots if self.side == "buy" else -self.lots


class Refusal(NamedTuple):
    """Why not: a normal answer, so a value."""

    code: str
    reason: str
    limit: str = ""
    seen: str = ""
    disables: bool = False  # the strategy may only reduce from here on, until a person re-arms it
