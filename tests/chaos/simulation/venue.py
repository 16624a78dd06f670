"""The venue of a simulation: sim_venue's own exchange core, the log of every request that reached it, and what can be read.

The log is the truth that everything else is judged by. Reads may lag behind it; the stream of reports may lose, double,
delay and reorder.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Final, NamedTuple

from libs.domain.instruments import Instrument
from libs.domain.market import Quote
from libs.domain.orders import Evidence, Order, VenueOrder, VenueStatus
from libs.domain.trades import Fill
from libs.quant.fills import FillTerms
from libs.quant.sim_venue.commands import Cancel, OpenAccount, Refusal, Submit
from libs.quant.sim_venue.exchange import Exchange
from libs.quant.sim_venue.listings import Fees, Listing, VenueRules
from libs.quant.sim_venue.orders import Execution, NewOrder
from libs.quant.sim_venue.orders import Order as Taken
from libs.quant.sim_venue.reports import Report
from libs.quant.sim_venue.view import AccountView, View
from libs.venues.broker import Holdings, OrderReport
from libs.venues.broker import Report as Told
from tests.chaos.simulation.story import Story

ACCOUNT: Final = "paper"
_ENDS: Final = {"canceled": Evidence.CANCELED, "expired": Evidence.EXPIRED, "accepted": Evidence.ACCEPTED}
_SEEN: Final[Mapping[str, VenueStatus]] = {"open": "open", "held": "open", "filled": "filled", "canceled": "canceled", "expired": "expired"}


class Request(NamedTuple):
    """One order request that reached the venue."""

    at: float
    client_order_id: str
    refused: str  # why; "" when it was taken


class SimVenue:
    """One account at one exchange."""

    def __init__(
        self, instruments: Mapping[str, Instrument], deposit: Decimal, random: Random, story: Story, clock: Callable[[], int], lag_s: float
    ) -> None:
        """
        Args:
            clock: market time, ns.
            lag_s: by which reads lag behind.
        """
        self.instruments = instruments
        self.requests: list[Request] = []
        self.lag_s = lag_s
        self.ends_all_at: float | None = None  # the dead man's switch
        self.listeners: list[Callable[[Told], None]] = []
        self._clock = clock
        self._story = story
        self._random = random
        self._prices = dict.fromkeys(instruments, 10_000)
        self._seqs = dict.fromkeys(instruments, 0)
        listings = {
            symbol: Listing(
                instrument=i,
                terms=FillTerms(),
                fees=Fees(maker_bps=Decimal(1), taker_bps=Decimal(2)),
            )
            for symbol, i in instruments.items()
        }
        self._core = Exchange(listings, seed=random.randrange(1 << 30), rules=VenueRules(most_lots_per_fill=random.choice((0, 0, 3))))
        self.truth = View(listings)
        self._lagging = View(listings)
        self._unread: deque[Report] = deque()
        self._core.hear([], clock())
        self._take_in(self._core.execute(OpenAccount(account=ACCOUNT, deposit={"USD": deposit}, kind="margin", allow_short=True)).reports)

    # --- requests

    def submit(self, order: Order, *, good_till_date: bool) -> str:
        """Takes an order, or says why not."""
        i = self.instruments[order.symbol]
        asked = NewOrder(
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            type="limit" if order.price is not None else "market",
            tif="GTD" if good_till_date else "GTC" if order.price is not None else "IOC",
            lots=i.lots(order.quantity),
            limit=None if order.price is None else i.ticks(order.price),
            expires_at=order.expires_at if good_till_date else None,
        )
        refused = self._ask(Submit(account=ACCOUNT, orders=(asked,)))
        text = f"{refused.code}: {refused.text}" if refused else ""
        self.requests.append(Request(self._story.now, order.client_order_id, text))
        self._story.tell("venue refuses" if refused else "venue takes", order.client_order_id, text)
        return text

    def refuse(self, client_order_id: str) -> None:
        """Will not take an order, for a reason of its own."""
        self.requests.append(Request(self._story.now, client_order_id, "not today"))
        self._story.tell("venue refuses", client_order_id, "not today")

    def cancel(self, client_order_id: str) -> str:
        """Ends an order, or says why not."""
        order = self.account.order_of(client_order_id)
        if order is None:
            return "no such order"
        refused = self._ask(Cancel(account=ACCOUNT, order=order.id))
        return refused.text if refused else ""

    def cancel_all(self) -> None:
        """Ends all of them."""
        for order in list(self.account.open.values()):
            self._ask(Cancel(account=ACCOUNT, order=order.id))

    def _ask(self, command: Submit | Cancel) -> Refusal | None:
        outcome = self._core.execute(command)
        self._take_in(outcome.reports)
        return outcome.refusal

    # --- the market

    def move(self) -> None:
        """The next quote of one symbol: a small step, a small size."""
        if self.ends_all_at is not None and self._story.now >= self.ends_all_at:
            self.ends_all_at = None
            self._story.tell("dead man's switch")
            self.cancel_all()
        symbol = self._random.choice(list(self.instruments))
        self._prices[symbol] += self._random.randint(-6, 6)
        self._seqs[symbol] += 1
        price, now = self._prices[symbol] / 100, self._clock()
        sizes = [float(self._random.choice((1, 2, 4, 8, 40))) for _ in range(2)]
        quote = Quote(
            venue="TEST",
            symbol=symbol,
            seq=self._seqs[symbol],
            ts=now,
            bid=price - 0.01,
            ask=price + 0.01,
            bid_size=sizes[0],
            ask_size=sizes[1],
        )
        self._take_in(self._core.hear([quote], now))

    def _take_in(self, reports: Sequence[Report]) -> None:
        for report in reports:
            self.truth.apply(report)
            self._unread.append(report)
            for told in self._told(report):
                self._story.tell("venue tells", report.kind, told.client_order_id, told.exec_key if isinstance(told, Fill) else "")
                for listener in self.listeners:
                    listener(told)

    def _told(self, report: Report) -> list[Fill | OrderReport]:
        order = report.order
        if report.kind == "fill" and report.execution is not None:
            return [self._fill(report.execution)]
        if order is None or report.kind not in _ENDS:
            return []
        i = self.instruments[order.asked.symbol]
        return [OrderReport(order.asked.client_order_id, _ENDS[report.kind], i.quantity(order.filled), report.at, order.reason)]

    # --- reads

    @property
    def account(self) -> AccountView:
        """The truth."""
        return self.truth.accounts[ACCOUNT]

    def seen(self) -> AccountView:
        """The account as reads show it now."""
        by = self._clock() - int(self.lag_s * 1_000_000_000)
        while self._unread and (self._unread[0].at <= by or ACCOUNT not in self._lagging.accounts):
            self._lagging.apply(self._unread.popleft())
        return self._lagging.accounts[ACCOUNT]

    def order(self, view: AccountView, client_order_id: str) -> VenueOrder | None:
        """An order in a view."""
        taken = view.order_of(client_order_id)
        return None if taken is None else self._shown(taken)

    def open_orders(self, view: AccountView) -> list[VenueOrder]:
        return [self._shown(order) for order in view.open.values()]

    def fills(self, view: AccountView, since: int = 0) -> list[Fill]:
        return [self._fill(e) for e in view.executions.values() if e.at >= since]

    def holdings(self, view: AccountView) -> Holdings:
        cash = {name: amount for name, amount in view.balances.items() if amount}
        return Holdings(cash, {s: self.instruments[s].quantity(lots) for s, lots in view.positions.items() if lots})

    def _shown(self, order: Taken) -> VenueOrder:
        i, asked = self.instruments[order.asked.symbol], order.asked
        return VenueOrder(asked.client_order_id, asked.symbol, _SEEN[order.status], i.quantity(order.lots), i.quantity(order.filled))

    def _fill(self, e: Execution) -> Fill:
        i = self.instruments[e.symbol]
        return Fill(
            exec_key=str(e.id),
            client_order_id=e.client_order_id,
            symbol=e.symbol,
            side=e.side,
            quantity=i.quantity(e.lots),
            price=i.price(e.ticks),
            fee=e.fee,
            fee_currency=e.fee_currency,
            liquidity="maker" if e.maker else "taker",
            executed_at=e.at,
            cumulative=i.quantity(e.cumulative),
        )
