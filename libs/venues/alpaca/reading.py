"""Reads of one account. Each gives all there is or raises: half of a listing would pass for orders that are gone."""

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from decimal import Decimal
from typing import Final, ParamSpec, TypeVar

import msgspec

from libs.domain.orders import VenueOrder, VenueStatus
from libs.domain.times import SECOND, iso
from libs.domain.trades import Fill
from libs.venues.alpaca.known import KnownOrders
from libs.venues.alpaca.outcomes import refusal
from libs.venues.alpaca.requests import PAGE_WAIT_S, READ_WAIT_S, Answer, Requests
from libs.venues.alpaca.updates import fill_of
from libs.venues.alpaca.wire import (
    STATUSES,
    Account,
    Activity,
    MarketTime,
    OrderState,
    Position,
    Unreadable,
    finite,
    read,
    status_of,
    terms_of,
    time_ns,
)
from libs.venues.broker import Holdings, OutcomeUnknown

T = TypeVar("T")
P = ParamSpec("P")
log = logging.getLogger(__name__)

ORDERS_PAGE: Final = 500  # the most that Alpaca gives at once
FILLS_PAGE: Final = 100
LONGEST_CHAIN: Final = 100  # replacements of one order
WORTH_A_LISTING: Final = 10  # orders
DAY: Final = 24 * 3600 * SECOND


class Reading:
    """What the venue has of the account. Every read raises OutcomeUnknown when it is not answered, whole and readable."""

    def __init__(self, requests: Requests, trading: str, known: KnownOrders, symbols: Mapping[str, str]) -> None:
        """`symbols`: ours by the venue's, where they differ."""
        self._requests = requests
        self._trading = trading
        self._known = known
        self._symbols = symbols
        self.hindrance = ""  # why the venue would take no order, as far as the account said when it was read last

    def ours(self, symbol: str) -> str:
        """Our symbol for the venue's: of a coin it writes BTC/USD in one place and BTCUSD in another."""
        return self._symbols.get(symbol, symbol)

    async def account(self) -> Account:
        """Its state and its cash."""
        account = await self._get("/account", Account)
        self.hindrance = account.hindrance()
        return account

    async def market_time(self) -> int:
        """UTC nanoseconds of market time at the venue."""
        return _readable(time_ns, (await self._get("/clock", MarketTime)).timestamp, "timestamp")

    async def holdings(self) -> Holdings:
        """See `Broker`."""
        account = await self.account()
        held = await self._get("/positions", list[Position])
        cash = _readable(finite, account.cash, "cash")
        signed = {self.ours(p.symbol): _readable(_signed, p) for p in held}
        return Holdings({account.currency: cash} if cash else {}, {symbol: quantity for symbol, quantity in signed.items() if quantity})

    async def order(self, venue_id: str) -> OrderState | None:
        """None: the venue does not have it, or not yet where it is read."""
        return await self._seen(f"/orders/{venue_id}")

    async def by_client_id(self, client_order_id: str) -> OrderState | None:
        """The order that was sent under the id, whatever it was replaced by since; None as in `order`."""
        return await self._seen("/orders:by_client_order_id", {"client_order_id": client_order_id})

    async def newest(self, order: OrderState) -> OrderState:
        """What somebody replaced the order by, and that, and so on: the one that lives, or ended last."""
        for _ in range(LONGEST_CHAIN):
            if order.replaced_by is None:
                return order
            successor = await self.order(order.replaced_by)
            if successor is None:
                raise OutcomeUnknown(f"order {order.id} was replaced by {order.replaced_by}, which the venue does not show")
            if successor.takes_over is None:
                return order  # we replaced it: it has ended, and the other is an order of its own
            order = successor
        raise OutcomeUnknown(f"order {order.id} is replaced more than {LONGEST_CHAIN} times")

    async def owner(self, order: OrderState) -> str:
        """The client order id under which the order was sent, or the first of the chain that it is the newest of."""
        parents: list[OrderState] = []
        oldest = order
        while oldest.takes_over is not None and self._known.client_id(oldest.takes_over) is None:
            parent = await self._replaced(oldest)
            parents.append(parent)
            if len(parents) > LONGEST_CHAIN:
                raise OutcomeUnknown(f"order {order.id} replaced more than {LONGEST_CHAIN} others")
            oldest = parent
        for parent in reversed(parents):
            self._known.see(parent)
        return (self._known.client_id(order.takes_over) if order.takes_over else None) or order.client_order_id

    async def is_replaced(self, order: OrderState) -> bool:
        """Whether an order of ours has ended because another of ours took its place."""
        return order.replaced_by is not None and (await self.newest(order)).id == order.id

    async def own(self, order: OrderState) -> OrderState:
        """The order without what had been filled of the one that it took the place of: the venue counts that on."""
        if order.replaces is None or order.takes_over is not None:
            return order
        carried = self._known.carried(order.id)
        if carried is None:
            before = await self._replaced(order)
            carried = _readable(lambda: before.filled)
            if before.replaced_by == order.id:
                self._known.carries(order.id, carried)
        if not carried:
            return order
        left = None if order.qty is None else order.qty - carried
        return msgspec.structs.replace(order, qty=left, filled_qty=max(Decimal(0), _readable(lambda: order.filled) - carried))

    async def _replaced(self, order: OrderState) -> OrderState:
        before = await self._asked(f"/orders/{order.replaces}")
        if before is None:
            raise OutcomeUnknown(f"order {order.id} replaced {order.replaces}, which the venue does not show")
        return before

    async def open_orders(self) -> list[OrderState]:
        """Every open order, legs of brackets too, oldest first."""
        orders = [order async for page in self._listing({"status": "open"}) for order in page]
        for order in orders:
            await self._see(order)
        return orders

    async def fills_since(self, executed_at: int) -> list[Fill]:
        """See `Broker`. The history is asked from a second earlier, as it counts in milliseconds."""
        activities: dict[str, Activity] = {}
        params = {"after": iso(_second_before(executed_at)), "direction": "asc", "page_size": str(FILLS_PAGE)}
        while True:
            page = await self._get("/account/activities/FILL", list[Activity], params, PAGE_WAIT_S)
            before = len(activities)
            activities |= {activity.id: activity for activity in page}
            if len(page) < FILLS_PAGE:
                break
            if len(activities) == before:
                raise OutcomeUnknown("the venue's history gives the same page of fills again and again")
            params["page_token"] = page[-1].id
        await self._learn({a.order_id for a in activities.values() if self._known.client_id(a.order_id) is None}, executed_at)
        fills = [_readable(fill_of, *await self._known_as(activity)) for activity in activities.values()]
        since = (msgspec.structs.replace(fill, symbol=self.ours(fill.symbol)) for fill in fills if fill.executed_at >= executed_at)
        return sorted(since, key=lambda fill: fill.executed_at)

    async def _learn(self, venue_ids: set[str], executed_at: int) -> None:
        """Whose so many orders are, by listing instead of one by one; those that are older than a day stay unknown."""
        if len(venue_ids) < WORTH_A_LISTING:
            return
        async for page in self._listing({"status": "all", "after": iso(_second_before(executed_at - DAY))}):
            for order in page:
                await self._see(order)
                venue_ids.discard(order.id)
            if not venue_ids:
                return

    async def _listing(self, which: Mapping[str, str]) -> AsyncIterator[list[OrderState]]:
        """All orders of a kind, oldest first, page by page, each once.

        Pages are told apart by the time of submission, which several orders may share: each page begins a moment before
        the last one ended, and what comes twice is taken once.
        """
        found: set[str] = set()
        params = {"limit": str(ORDERS_PAGE), "direction": "asc", "nested": "false", **which}
        while True:
            page = await self._get("/orders", list[OrderState], params, PAGE_WAIT_S)
            new = [order for order in page if order.id not in found]
            yield new
            if len(page) < ORDERS_PAGE:
                return
            if not new:
                raise OutcomeUnknown(f"more than {ORDERS_PAGE} orders of one moment: the venue cannot list them")
            found.update(order.id for order in new)
            params["after"] = iso(_readable(time_ns, page[-1].submitted_at, "submitted_at") - 1000)

    def view(self, order: OrderState, newest: OrderState) -> VenueOrder:
        """An order as our side knows it, standing as the newest of its replacements stands."""
        if newest.status not in STATUSES:
            log.warning("order %s: the venue calls it %r, a word that is not known: it counts as open", newest.id, newest.status)
        filled = max(_readable(lambda: order.filled), _readable(lambda: newest.filled))  # a replacement takes the fills over
        quantity = _readable(finite, newest.qty if newest.qty is not None else filled, "qty")
        symbol = newest.symbol or ""
        status: VenueStatus = "canceled" if newest.status == "replaced" else status_of(newest)  # by an order of its own
        return VenueOrder(order.client_order_id, self.ours(symbol), status, quantity, filled, terms_of(newest))

    async def _known_as(self, activity: Activity) -> tuple[Activity, str]:
        """A fill as one of its own order only, and our name of that. The venue must have the order."""
        known = self._known.client_id(activity.order_id)
        if known is None:
            order = await self.order(activity.order_id)
            if order is None:
                raise OutcomeUnknown(f"the venue has a fill of order {activity.order_id}, but does not show the order")
            known = await self.owner(order)
        carried = self._known.carried(activity.order_id)
        return msgspec.structs.replace(activity, cum_qty=activity.cum_qty - carried) if carried else activity, known

    async def _see(self, order: OrderState) -> None:
        await self.owner(order)  # of a replacement it has to be known whose it is
        await self.own(order)
        self._known.see(order)

    async def _seen(self, path: str, params: Mapping[str, str] | None = None) -> OrderState | None:
        order = await self._asked(path, params)
        if order is not None:
            await self._see(order)
        return order

    async def _asked(self, path: str, params: Mapping[str, str] | None = None) -> OrderState | None:
        answer = await self._requests.read(self._trading + path, params)
        if answer.status == 404 and refusal(answer) is not None:
            return None
        return decoded(answer, OrderState)

    async def _get(self, path: str, kind: type[T], params: Mapping[str, str] | None = None, wait_s: float = READ_WAIT_S) -> T:
        return decoded(await self._requests.read(self._trading + path, params, wait_s), kind)


def decoded(answer: Answer, kind: type[T]) -> T:
    """OutcomeUnknown: it is no answer to the question."""
    if answer.status != 200:
        raise OutcomeUnknown(answer.shown())
    return _readable(read, answer.body, kind)


def _readable(take: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return take(*args, **kwargs)
    except Unreadable as error:
        raise OutcomeUnknown(f"the venue's answer cannot be read: {error}") from error


def _second_before(ns: int) -> int:
    return max(0, ns // SECOND - 1) * SECOND


def _signed(position: Position) -> Decimal:
    quantity = finite(position.qty, "qty")
    return -abs(quantity) if position.side == "short" else quantity
