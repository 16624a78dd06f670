"""What a simulated venue knows of one account: a fold over its records, the same live and when they are read again."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, assert_never

import msgspec

from libs.domain.actions import CorporateAction
from libs.domain.books import signed
from libs.domain.orders import Order, VenueOrder, VenueStatus, VenueTerms
from libs.domain.trades import Fill

Moment = tuple[int, int]
"""Where a market event stands among those of its symbol: (quote time or bar start, sequence number)."""

NEVER: Final[Moment] = (-1, -1)


class Opened(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """First record of a book: whose it is and what was paid in, by currency."""

    account_id: str
    deposit: dict[str, Decimal]


class Accepted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The venue took an order. It meets only events after `heard`."""

    order: Order
    heard: Moment
    market_time: int


class Filled(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An order was filled by the event at `heard`."""

    fill: Fill
    cash: Decimal  # signed change of cash in the fee's currency, fee included
    heard: Moment
    market_time: int


class Moved(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The stop of an order: where it stands now, and whether it has been touched."""

    client_order_id: str
    stop: int  # ticks
    triggered: bool
    heard: Moment
    market_time: int


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An order ended with something unfilled."""

    client_order_id: str
    status: Literal["canceled", "expired"]
    market_time: int


class Adjusted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A corporate action changed what is held. Orders of the symbol were ended just before."""

    action: CorporateAction
    before: Decimal  # units held of the action's symbol
    after: Decimal  # units held of the symbol it has now
    cash: Decimal  # paid to us, negative from us, in `currency`: a dividend, or what a part of a unit was worth
    currency: str
    market_time: int


Record = Opened | Accepted | Filled | Moved | Ended | Adjusted

_decoder: Final = msgspec.json.Decoder(list[Record])


def encode(records: Iterable[Record]) -> bytes:
    """Records that stand or fall together, as one payload."""
    return msgspec.json.encode(list(records))


def decode(payload: bytes) -> list[Record]:
    """The records of a payload; msgspec.ValidationError when it holds something else."""
    return _decoder.decode(payload)


@dataclass(slots=True)
class BookedOrder:
    """An accepted order and how far it got."""

    order: Order
    status: VenueStatus = "open"
    filled: Decimal = Decimal(0)
    fills: int = 0
    stop: int | None = None  # ticks: where the stop of a stop order stands; None until its first event
    triggered: bool = False  # a stop that has been touched is the market or limit order behind it

    @property
    def remaining(self) -> Decimal:
        return self.order.quantity - self.filled

    def view(self) -> VenueOrder:
        order = self.order
        terms = VenueTerms(order.side, order.order_type, order.price, order.stop_price)
        return VenueOrder(order.client_order_id, order.symbol, self.status, order.quantity, self.filled, terms)


class Book:
    """Orders, fills, cash and positions. Changed by `apply` only; `heard` also by whoever hears the market."""

    def __init__(self) -> None:
        self.account_id = ""
        self.orders: dict[str, BookedOrder] = {}  # by client order id
        self.open: dict[str, dict[str, BookedOrder]] = {}  # by symbol, then client order id, in order of arrival
        self.fills: list[Fill] = []
        self.adjustments: list[Adjusted] = []
        self.cash: defaultdict[str, Decimal] = defaultdict(Decimal)
        self.positions: defaultdict[str, Decimal] = defaultdict(Decimal)
        self.heard: dict[str, Moment] = {}  # newest event by symbol
        self.market_time = 0

    def apply(self, record: Record) -> None:
        """Take in one record."""
        match record:
            case Opened():
                self.account_id = record.account_id
                self.cash.update(record.deposit)
                return
            case Accepted():
                booked = BookedOrder(record.order)
                self.orders[record.order.client_order_id] = booked
                self.open.setdefault(record.order.symbol, {})[record.order.client_order_id] = booked
                self._hear(record.order.symbol, record.heard)
            case Filled():
                self._fill(record.fill)
                self.cash[record.fill.fee_currency] += record.cash
                self._hear(record.fill.symbol, record.heard)
            case Moved():
                booked = self.orders[record.client_order_id]
                booked.stop, booked.triggered = record.stop, record.triggered
                self._hear(booked.order.symbol, record.heard)
            case Ended():
                self._close(self.orders[record.client_order_id], record.status)
            case Adjusted():
                self._adjust(record)
            case _:
                assert_never(record)
        self.market_time = max(self.market_time, record.market_time)

    def resting(self, symbol: str) -> list[BookedOrder]:
        """Open orders of a symbol in order of arrival."""
        return list(self.open.get(symbol, {}).values())

    def _hear(self, symbol: str, moment: Moment) -> None:
        self.heard[symbol] = max(self.heard.get(symbol, NEVER), moment)

    def _fill(self, fill: Fill) -> None:
        booked = self.orders[fill.client_order_id]
        booked.filled = fill.cumulative
        booked.fills += 1
        if not booked.remaining:
            self._close(booked, "filled")
        self.positions[fill.symbol] += signed(fill.side, fill.quantity)
        self.fills.append(fill)

    def _close(self, booked: BookedOrder, status: VenueStatus) -> None:
        booked.status = status
        resting = self.open[booked.order.symbol]
        del resting[booked.order.client_order_id]
        if not resting:
            del self.open[booked.order.symbol]

    def _adjust(self, record: Adjusted) -> None:
        action = record.action
        self.positions.pop(action.symbol, None)
        self.positions[action.new_symbol or action.symbol] += record.after
        self.cash[record.currency] += record.cash
        self.adjustments.append(record)
