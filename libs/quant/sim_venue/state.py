"""What the core keeps: accounts, live orders, markets, counters. Data only; what may be done with it stands in the other files.

Orders that ended are not kept, but for whose they were: what can be read of them is in the reports.
"""

from array import array
from collections import deque
from collections.abc import Mapping
from copy import copy
from decimal import Decimal
from hashlib import sha256
from typing import Final, Literal

import msgspec

from libs.domain.orders import Side
from libs.quant.calendars import Session, session_of
from libs.quant.exchange.book import NEVER, Moment
from libs.quant.sim_venue.book import Book
from libs.quant.sim_venue.commands import OpenAccount
from libs.quant.sim_venue.listings import Agents, Listing, SelfTrade, VenueRules
from libs.quant.sim_venue.orders import Execution, Order
from libs.quant.sim_venue.reports import Kind, Report
from libs.quant.sizing import to_lots, to_ticks

FOREVER: Final = 2**63 - 1
ZERO: Final = Decimal(0)

MOST: Final = 10**12
"""Lots of an order, and ticks of a price: more is a mistake."""


class Live(msgspec.Struct, kw_only=True):
    """An order that has not ended, and what only the venue knows of it."""

    order: Order
    since: int  # market time from which it may meet the market
    end: int  # market time at which it expires; FOREVER: it does not
    self_trade: SelfTrade
    hold_ticks: int  # the price at which money is held for it
    rested: bool = False  # `model`: a limit order that an event has left unfilled: from now on it makes

    @property
    def limit(self) -> int | None:
        """Of the order as it is now; None takes any price, which is what a stop does once it is triggered."""
        return self.order.asked.limit

    @property
    def active(self) -> bool:
        """Whether it is a market or limit order by now, not a stop that waits, nor held."""
        order = self.order
        return order.status == "open" and (order.triggered or order.asked.type in ("market", "limit"))


class Hold(msgspec.Struct, array_like=True):
    """What is set aside for one order, or for a pair of which only one can fill."""

    currency: str = ""  # or asset; "" where nothing but lots is
    amount: Decimal = ZERO
    symbol: str = ""
    bids: int = 0  # lots that may still be bought
    asks: int = 0  # lots that may still be sold


class Account(msgspec.Struct, kw_only=True):
    """One account. What is held in it is what its open orders may still take: `holding` writes all four."""

    name: str
    index: int
    kind: Literal["cash", "margin"]
    allow_short: bool
    leverage: Decimal
    self_trade: SelfTrade
    balances: dict[str, Decimal]
    positions: dict[str, int] = {}  # signed lots
    client_ids: dict[str, None] = {}  # every one that was ever used, in order
    live: dict[int, Live] = {}
    reserved: dict[str, Decimal] = {}  # by currency or asset
    bids: dict[str, int] = {}  # lots by symbol
    asks: dict[str, int] = {}
    holds: dict[int, Hold] = {}  # by slot: see `holding`


class Group(msgspec.Struct, kw_only=True):
    """Orders that were sent together as one shape."""

    first: int = 0  # of oto and bracket: the order that the others wait for; 0 once it has ended
    rest: list[int] = []  # the orders that wait for it, or the pair of which one cancels the other


class Crowd(msgspec.Struct, kw_only=True):
    """The agents of one symbol."""

    steps: int = 0
    due: int = 0  # market time of the next step; 0: not known yet
    quotes: list[tuple[Side, int, int]] = []  # (side, ticks, key), oldest first; some may have been taken


class Market:
    """One listing as it trades."""

    def __init__(self, listing: Listing) -> None:
        i = listing.instrument
        self.listing = listing
        self.instrument = i
        self.symbol = i.symbol
        self.tick = float(i.tick)
        self.lot = float(i.lot)
        self.unit = i.lot * i.tick * i.multiplier  # money of one lot at one tick
        if self.unit != round(self.unit, 12):
            raise ValueError(f"{i.symbol}: one lot at one tick is {self.unit} {i.currency}: money is kept to 12 decimals")
        self.booked = listing.liquidity == "book"
        self.halted = False
        self.heard: dict[str, Moment] = {}  # newest event by kind
        self.bid: tuple[int, int] | None = None  # (ticks, lots) as the market last showed
        self.ask: tuple[int, int] | None = None
        self.last: int | None = None  # ticks: the newest price of any kind
        self.open: dict[str, dict[int, Live]] = {}  # `model`: by account, then id, in order of arrival
        self.book = Book()
        self.street: dict[Side, int] = {}  # `book`: ticks at which the market stands in it
        self.unshown = False  # `book`: the newest quote came while nothing traded, and does not stand in it yet
        self.stops: dict[int, Live] = {}  # `book`: stops that wait to be triggered, in order of arrival
        self.waiting: dict[int, Live] = {}  # `book`: orders that wait for the market to open
        self.dealt: list[int] = []  # `book`: prices of trades that the stops have not seen yet
        self.crowd = Crowd()
        self._session: Session | None = None

    def in_session(self, at: int) -> bool:
        """Whether the calendar has it open."""
        known = self._session
        if known is None or not known.open <= at < known.close:
            known = self._session = session_of(self.instrument.calendar, at)
        return known is not None

    def trading(self, at: int) -> bool:
        """Whether orders meet at all."""
        return not self.halted and self.in_session(at)

    def money(self, lots: int, ticks: int) -> Decimal:
        return self.unit * (lots * ticks)

    def ticks(self, price: float) -> int | None:
        """The nearest tick; None for what is no price."""
        if not 0 < price < self.tick * MOST:  # NaN too
            return None
        return to_ticks(price, self.tick) or None

    def lots(self, size: float) -> int:
        """Whole lots of a size that is shown; 0 for what is none."""
        return to_lots(min(size, self.lot * MOST), self.lot) if size > 0 else 0

    def shown(self, price: float, size: float) -> tuple[int, int] | None:
        """(ticks, lots) of a side that is shown; None where nothing is: zero or NaN is how vendors say so."""
        ticks, lots = self.ticks(price), self.lots(size)
        return (ticks, lots) if ticks is not None and lots else None

    def heard_before(self, kind: str, at: Moment) -> bool:
        """Whether it is no news; if it is, it is taken down."""
        if at <= self.heard.get(kind, NEVER):
            return True
        self.heard[kind] = at
        return False


def fingerprint(listings: Mapping[str, Listing]) -> str:
    """Tells other listings, or these on other terms."""
    return sha256(msgspec.msgpack.encode([listings[symbol] for symbol in sorted(listings)])).hexdigest()


class Core:
    """All of the venue's state, and the reports that the present command or event has made."""

    def __init__(self, listings: Mapping[str, Listing], seed: int, rules: VenueRules, agents: Agents | None) -> None:
        self.listings = listings
        self.fingerprint = fingerprint(listings)
        self.markets = {symbol: Market(listing) for symbol, listing in listings.items()}
        self.seed = seed
        self.rules = rules
        self.agents = agents
        self.now = 0
        self.at = 0  # market time of the event at hand, or `now`: orders that go live by it meet later ones only
        self.accounts: dict[str, Account] = {}
        self.names: list[str] = []  # of accounts, in order of opening
        self.live: dict[int, Live] = {}
        self.groups: dict[int, Group] = {}
        self.owners = array("I", [0])  # index of the account of each order ever taken, by order id
        self.executions: list[Execution] = []  # by id - 1, as they are now
        self.busted: set[int] = set()
        self.trades = 0
        self.told = 0  # reports
        self.ends: list[tuple[int, int]] = []  # heap of (end, order id); orders that ended otherwise stay until it is their turn
        self.arrivals: deque[Live] = deque()  # orders that are to enter their market now
        self.stirred: deque[str] = deque()  # symbols where an order has left the book: stops are to look at what that shows
        self.out: list[Report] = []

    def report(
        self,
        kind: Kind,
        *,
        account: str = "",
        symbol: str = "",
        order: Order | None = None,
        execution: Execution | None = None,
        was: Execution | None = None,
        balances: dict[str, Decimal] | None = None,
        position: int = 0,
        terms: OpenAccount | None = None,
    ) -> None:
        """Says what happened. The order is copied as it is now."""
        self.told += 1
        self.out.append(
            Report(
                n=self.told,
                at=self.now,
                kind=kind,
                account=account,
                symbol=symbol,
                order=None if order is None else copy(order),
                execution=execution,
                was=was,
                balances={} if balances is None else balances,
                terms=terms,
                position=position,
            )
        )

    def told_now(self) -> list[Report]:
        """The reports since the last time."""
        out, self.out = self.out, []
        return out

    def say(self, kind: Kind, order: Order) -> None:
        """Says what happened to an order."""
        order.updated_at = self.now
        self.report(kind, account=order.account, symbol=order.asked.symbol, order=order)
