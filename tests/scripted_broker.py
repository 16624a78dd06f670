"""A venue that does what a test tells it to, and remembers every request that reached it."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from decimal import Decimal

from libs.domain.actions import CorporateAction
from libs.domain.orders import Evidence, Order, VenueOrder, VenueStatus, VenueTerms
from libs.domain.trades import Fill
from libs.venues.broker import Abilities, Adjustment, Hold, Holdings, Link, NotSent, OrderReport, OutcomeUnknown, Refused, Report, unheld
from tests.factories import NOON

Answer = Callable[[Order], None]
"""What happens when an order arrives; it may raise what `Broker.submit` may."""


class ScriptedBroker:
    """A `Broker` that fills nothing by itself."""

    def __init__(self, *, absence_is_proof: bool = False, stops: bool = False, oco: bool = False, replaces: bool = False) -> None:
        self.abilities = Abilities(
            cancel_all=False,
            dead_man=False,
            good_till_date=True,
            absence_is_proof=absence_is_proof,
            stops=stops,
            oco=oco,
            trailing=stops,
            replaces=replaces,
        )
        self.hold: Hold = unheld
        self.submitted: list[str] = []
        self.cancelled: list[str] = []
        self.replaced: list[tuple[str, str]] = []  # old and new
        self.answers: deque[Answer] = deque()  # to the next orders; those after them are accepted
        self.cancel_answers: deque[Exception | None] = deque()
        self.find_answers: deque[Exception] = deque()
        self.up = True
        self.gate = asyncio.Event()  # while it is closed no request is answered
        self.gate.set()
        self.seen: dict[str, VenueOrder] = {}
        self.fills: list[Fill] = []
        self.adjusted: list[Adjustment] = []
        self.cash = {"USD": Decimal(100_000)}
        self.positions: defaultdict[str, Decimal] = defaultdict(Decimal)
        self.news: asyncio.Queue[Report] = asyncio.Queue()

    def has(self, order: Order, status: VenueStatus = "open", filled: int = 0) -> None:
        """The venue's view of an order, whatever it answered."""
        terms = VenueTerms(order.side, order.order_type, order.price, order.stop_price)
        self.seen[order.client_order_id] = VenueOrder(order.client_order_id, order.symbol, status, order.quantity, Decimal(filled), terms)

    async def submit(self, order: Order, deadline: float) -> None:
        self.submitted.append(order.client_order_id)
        await self.gate.wait()
        if reason := self.hold(order):
            raise NotSent(reason)
        if self.answers:
            self.answers.popleft()(order)
        self.has(order)

    async def submit_oco(self, orders: Sequence[Order], deadline: float) -> None:
        self.submitted += [order.client_order_id for order in orders]
        if self.answers:
            self.answers.popleft()(orders[0])
        for order in orders:
            self.has(order)

    async def replace(self, client_order_id: str, order: Order, deadline: float) -> None:
        self.replaced.append((client_order_id, order.client_order_id))
        if self.answers:
            self.answers.popleft()(order)
        self.seen[client_order_id] = self.seen[client_order_id]._replace(status="canceled")
        self.has(order)
        self.news.put_nowait(OrderReport(client_order_id, Evidence.REPLACED, Decimal(0), NOON, "replaced"))

    async def cancel(self, client_order_id: str) -> None:
        self.cancelled.append(client_order_id)
        answer = self.cancel_answers.popleft() if self.cancel_answers else None
        if answer is not None:
            raise answer

    async def connect(self) -> None:
        pass

    async def disconnect(self) -> None:
        pass

    async def cancel_all(self) -> None:
        raise Refused("this venue has no cancel-all")

    async def dead_man(self, after_s: float) -> None:
        raise Refused("this venue has no dead man's switch")

    def link(self) -> Link:
        return Link(self.up, "", None, None, None)

    async def find(self, client_order_id: str) -> VenueOrder | None:
        if self.find_answers:
            raise self.find_answers.popleft()
        return self.seen.get(client_order_id)

    async def open_orders(self) -> Sequence[VenueOrder]:
        return [order for order in self.seen.values() if order.status == "open"]

    async def fills_since(self, executed_at: int) -> Sequence[Fill]:
        return [fill for fill in self.fills if fill.executed_at >= executed_at]

    async def adjustments(self) -> Sequence[Adjustment]:
        return list(self.adjusted)

    async def holdings(self) -> Holdings:
        return Holdings(dict(self.cash), dict(self.positions))

    async def next_reports(self) -> Sequence[Report]:
        return [await self.news.get()]


def refuses(order: Order) -> None:
    raise Refused("not today")


def loses_the_answer(order: Order) -> None:
    raise OutcomeUnknown("connection reset")


def a_fill(order: Order, quantity: int, cumulative: int | None = None, n: int = 1, price: str = "100.00", executed_at: int = NOON) -> Fill:
    """The n-th fill of an order, at a fee of 1."""
    return Fill(
        exec_key=f"{order.order_id}:{n}",
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        quantity=Decimal(quantity),
        price=Decimal(price),
        fee=Decimal(1),
        fee_currency="USD",
        liquidity="taker",
        executed_at=executed_at,
        cumulative=Decimal(quantity if cumulative is None else cumulative),
    )


def a_split(effective: int, ratio: str = "7", symbol: str = "ALFA", reference_price: str = "700") -> CorporateAction:
    """New units for old ones from `effective` on."""
    return CorporateAction(
        venue="TEST", symbol=symbol, effective=effective, kind="split", ratio=Decimal(ratio), reference_price=Decimal(reference_price)
    )


def an_adjustment(action: CorporateAction, after: int, cash: str = "0") -> Adjustment:
    """The venue's word that it holds `after` units now."""
    return Adjustment(action, Decimal(after), Decimal(cash), "USD", action.effective)
