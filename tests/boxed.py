"""A small simulated venue to talk to in tests: one symbol, quotes and trades in whole ticks, orders in one line."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from libs.domain.market import Quote, TradeTick
from libs.domain.orders import OrderType, Side
from libs.domain.times import SECOND
from libs.quant.sim_venue.commands import Code, Command, OpenAccount, Submit
from libs.quant.sim_venue.exchange import Exchange
from libs.quant.sim_venue.listings import Listing, SelfTrade, VenueRules
from libs.quant.sim_venue.orders import NewOrder, Order, Shape
from libs.quant.sim_venue.reports import Report
from libs.quant.sim_venue.view import AccountView, View
from tests.venue_scenarios import START, a_listing

D: Final = Decimal
BOOK: Final = a_listing("ALFA", "book")
MODEL: Final = a_listing("ALFA", "model")
NEW_YORK: Final = a_listing("ALFA", "book", calendar="us_equity")


class Box:
    """The venue, a view of it, and its clock in seconds since START."""

    def __init__(self, listing: Listing = BOOK, *, rules: VenueRules | None = None, **accounts: dict[str, Any]) -> None:
        """`accounts`: what is other than a cash account with 1000 USD, by name; "ann" and "ben" are always there."""
        self.venue = Exchange({listing.symbol: listing}, rules=rules)
        self.view = View({listing.symbol: listing})
        self.symbol = listing.symbol
        self._seq = 0
        self._ids = 0
        self.wait(0)
        for name in dict.fromkeys(("ann", "ben", *accounts)):
            self.did(OpenAccount(**({"account": name, "deposit": {"USD": D(1000)}} | accounts.get(name, {}))))

    # --- the market

    def wait(self, seconds: float) -> list[Report]:
        """Time goes by."""
        return self._told(self.venue.hear([], max(self.venue.now, START) + int(seconds * SECOND)))

    def quote(self, bid: int, ask: int, bid_lots: int = 100, ask_lots: int = 100) -> list[Report]:
        """A second later the market shows this, in ticks of a cent; 0: nothing on that side."""
        return self._heard(
            Quote(
                venue="TEST",
                symbol=self.symbol,
                seq=self._next(),
                ts=self.venue.now + SECOND,
                bid=bid / 100,
                ask=ask / 100,
                bid_size=bid_lots,
                ask_size=ask_lots,
            )
        )

    def trade(self, ticks: int, lots: int) -> list[Report]:
        """A second later somebody of the street trades."""
        ts = self.venue.now + SECOND
        return self._heard(TradeTick(venue="TEST", symbol=self.symbol, seq=self._next(), ts=ts, price=ticks / 100, size=lots))

    # --- orders

    def order(self, side: Side, kind: OrderType, lots: int, **more: Any) -> NewOrder:
        """An order with an id of its own, good till cancelled."""
        self._ids += 1
        fields = {"client_order_id": f"c{self._ids}", "symbol": self.symbol, "tif": "GTC"} | more
        return NewOrder(side=side, type=kind, lots=lots, **fields)

    def send(self, account: str, *orders: NewOrder, shape: Shape = "simple", self_trade: SelfTrade | None = None) -> list[Report]:
        """Submits; the reports."""
        return self.did(Submit(account=account, orders=orders, shape=shape, self_trade=self_trade))

    def limit(self, account: str, side: Side, lots: int, ticks: int, **more: Any) -> int:
        """Id of a limit order that is taken."""
        return taken(self.send(account, self.order(side, "limit", lots, limit=ticks, **more)))

    def did(self, command: Command) -> list[Report]:
        """The reports of a command that is done."""
        outcome = self.venue.execute(command)
        assert outcome.refusal is None, outcome.refusal
        return self._told(outcome.reports)

    def refused(self, command: Command) -> Code:
        """Why it is not."""
        outcome = self.venue.execute(command)
        assert outcome.refusal is not None, outcome.reports
        return outcome.refusal.code

    def not_sent(self, account: str, *orders: NewOrder, shape: Shape = "simple") -> Code:
        """Why the orders are not taken."""
        return self.refused(Submit(account=account, orders=orders, shape=shape))

    # --- what is there

    def account(self, name: str) -> AccountView:
        return self.view.accounts[name]

    def found(self, number: int) -> Order:
        return next(account.orders[number] for account in self.view.accounts.values() if number in account.orders)

    def depth(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        return self.venue.depth(self.symbol, 10)

    def _next(self) -> int:
        self._seq += 1
        return self._seq

    def _heard(self, event: Quote | TradeTick) -> list[Report]:
        return self._told(self.venue.hear([event], event.ts))

    def _told(self, reports: Sequence[Report]) -> list[Report]:
        for report in reports:
            self.view.apply(report)
        return list(reports)


def taken(reports: Sequence[Report]) -> int:
    """Id of the first order that was taken."""
    return next(report.order.id for report in reports if report.kind in ("accepted", "held") and report.order is not None)


def fills(reports: Sequence[Report], account: str | None = None) -> list[tuple[int, int]]:
    """(lots, ticks) of the fills of an account, or all."""
    made = [report.execution for report in reports if report.kind == "fill" and account in (None, report.account)]
    return [(execution.lots, execution.ticks) for execution in made if execution is not None]


def kinds(reports: Sequence[Report]) -> list[str]:
    return [report.kind for report in reports]


def listed(listing: Listing, **terms: Any) -> Listing:
    """The listing on other terms."""
    return msgspec.structs.replace(listing, **terms)
