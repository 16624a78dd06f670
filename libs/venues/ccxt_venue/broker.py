"""One account at any venue that ccxt speaks to."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from libs.common.clocks import HostClock
from libs.domain.configuration import VenueConfig
from libs.domain.instruments import Instrument
from libs.domain.orders import Order, VenueOrder
from libs.domain.trades import Fill
from libs.venues.broker import (
    Abilities,
    Adjustment,
    Hold,
    Holdings,
    Link,
    NotSent,
    OutcomeUnknown,
    Refused,
    Report,
    WrongKey,
    held_back,
    unheld,
)
from libs.venues.budget import Budget
from libs.venues.ccxt_venue import binance
from libs.venues.ccxt_venue.calls import Calls, is_not_there
from libs.venues.ccxt_venue.client import close_exchange, is_fluent, make_exchange, open_exchange
from libs.venues.ccxt_venue.connection import FLUENT
from libs.venues.ccxt_venue.history import ClientIds, History
from libs.venues.ccxt_venue.lookup import Lookup
from libs.venues.ccxt_venue.mapping import Unreadable, holdings, instruments, order_request
from libs.venues.ccxt_venue.news import BinanceStream, Ring, Stream, Tell, UnifiedStream
from libs.venues.ccxt_venue.outcomes import KeyRefused
from libs.venues.ccxt_venue.reports import Reports
from libs.venues.ccxt_venue.wire import Wire
from libs.venues.endpoint import Endpoint
from libs.venues.freshness import Freshness

log = logging.getLogger(__name__)

T = TypeVar("T")


class CcxtBroker:
    """See `Broker`. Orders and questions go by REST, reports come by the venue's stream and, each `poll_s`, from its history.

    `cancel_all` is one request for each symbol that has open orders: most venues end the orders of one market only.
    Times in reports are the venue's, to the millisecond.
    """

    def __init__(
        self,
        venue: VenueConfig,
        endpoint: Endpoint,
        instruments: Mapping[str, Instrument] | None,
        *,
        clock: HostClock,
        listens: bool = True,
        probe_s: float = 5.0,
        mute_after_s: float = 15.0,
        poll_s: float = 30.0,
    ) -> None:
        """Imports ccxt.

        Args:
            instruments: by symbol; those that the venue does not list are somebody else's. None: all that it lists.
            listens: whether to hear reports at all.
            probe_s: host seconds of silence after which the stream is asked whether it is alive, where it can be asked.
            mute_after_s: host seconds of silence after which it is given up.
            poll_s: host seconds between two looks at the history, for what the stream has left out.

        Raises:
            ValueError: ccxt has no such exchange.
            WrongKey: its mode and its address do not go together.
        """
        self._venue = venue
        self._endpoint = endpoint
        self._all_instruments = instruments
        self._instruments: dict[str, Instrument] = {}
        self._clock = clock
        self._listens = listens
        self._probe_s = probe_s
        self._exchange = make_exchange(venue, endpoint)
        self._fluent = is_fluent(venue)
        self._wire = Wire(clock, Budget(venue.requests_per_minute, clock=clock))
        self._calls = Calls(self._exchange, self._wire, binance.documented if venue.exchange in FLUENT else lambda answered: None)
        self._ids = ClientIds()
        self.hold: Hold = unheld
        self._quotes: dict[str, str] = {}
        self._history = History(self._exchange, self._calls.read, self._ids, self._quotes)
        self._lookup = Lookup(self._exchange, self._calls.read, self._ids)
        self._freshness = Freshness(clock, mute_after_s)
        self._reports = Reports(self._exchange, self._stream, self._history, self._lookup, self._instruments, poll_s)
        known = venue.exchange in FLUENT  # elsewhere each venue has its own idea of what a stop is, and ccxt says little of it
        self.abilities = Abilities(
            cancel_all=bool(self._exchange.has.get("cancelAllOrders")),
            dead_man=bool(self._exchange.has.get("cancelAllOrdersAfter")),
            good_till_date=False,
            absence_is_proof=False,
            stops=known,
            oco=known,
            trailing=False,
            replaces=known,
        )

    async def connect(self) -> None:
        """See `Broker`. Loads the markets, compares the clocks, and checks the key by asking for the balance."""
        if self._wire.session is not None:
            return
        open_exchange(self._exchange, self._wire)
        try:
            await self._read(lambda: self._calls.read(self._exchange.load_markets))
            self._know_instruments()
            await self._check_key()
        except BaseException:
            await close_exchange(self._exchange, self._wire)
            raise
        if self._listens:
            self._reports.start()

    async def disconnect(self) -> None:
        """See `Broker`."""
        await self._reports.close()
        await close_exchange(self._exchange, self._wire)

    async def submit(self, order: Order, deadline: float) -> None:
        """See `Broker`."""
        arguments = order_request(order, self._instrument(order))
        answer = await self._sent([order], lambda: self._exchange.create_order(*arguments), deadline)
        self._accepted(order, answer)

    async def submit_oco(self, orders: Sequence[Order], deadline: float) -> None:
        """See `Broker`."""
        if not self.abilities.oco:
            raise NotSent(f"pairs of orders that cancel each other are not sent to {self._venue.exchange}")
        request = binance.pair_request(orders, self._instrument(orders[0]), self._exchange.market(orders[0].symbol)["id"])
        answer = await self._sent(orders, lambda: self._exchange.privatePostOrderListOco(request), deadline)
        named = binance.names_in_pair(answer)
        if any(order.client_order_id not in named for order in orders):
            raise OutcomeUnknown(f"the answer is not about {' and '.join(o.client_order_id for o in orders)}: {str(answer)[:200]}")

    async def replace(self, client_order_id: str, order: Order, deadline: float) -> None:
        """See `Broker`. The old order is not ended unless it can be, and then the new one is tried: the venue may turn that down."""
        if not self.abilities.replaces:
            raise NotSent(f"orders are not replaced at {self._venue.exchange}")
        symbol, kind, side, amount, price, params = order_request(order, self._instrument(order))
        params = {**params, "cancelOrigClientOrderId": client_order_id}
        if "triggerPrice" in params:
            params["stopPrice"] = params.pop("triggerPrice")  # what ccxt reads of either name, but takes away of one only
        answer = await self._sent(
            [order], lambda: self._exchange.edit_order(client_order_id, symbol, kind, side, amount, price, params), deadline
        )
        self._accepted(order, answer)

    async def _sent(self, orders: Sequence[Order], call: Callable[[], Awaitable[object]], deadline: float) -> object:
        """One request that makes orders."""
        for order in orders:
            self._ids.place(order.client_order_id, order.symbol)
            self._reports.sent(order)
        try:
            return await self._calls.change("order", call, deadline, partial(held_back, self.hold, orders))
        except (Refused, NotSent):
            for order in orders:
                self._reports.not_there(order.client_order_id)
            raise

    def _accepted(self, order: Order, answer: object) -> None:
        """The answer to the request for one order; raises as `submit`."""
        if not isinstance(answer, dict) or answer.get("clientOrderId") not in (None, order.client_order_id) or not answer.get("id"):
            raise OutcomeUnknown(f"the answer is not about {order.client_order_id}: {str(answer)[:200]}")
        self._ids.learn({**answer, "clientOrderId": order.client_order_id})
        if answer.get("status") == "rejected":
            self._reports.not_there(order.client_order_id)
            raise Refused(f"{order.client_order_id}: rejected by {self._venue.exchange}")

    async def cancel(self, client_order_id: str) -> None:
        """See `Broker`. An order that was not made by this object is looked up first."""
        symbol = self._ids.symbol(client_order_id)
        if symbol is None or not (self._lookup.by_client_id or self._ids.venue_id(client_order_id)):
            found = await self.find(client_order_id)
            if found is None:
                raise OutcomeUnknown(f"{self._venue.exchange} shows no order {client_order_id} to cancel; it may come to show it")
            symbol = found.symbol
        await self._end(lambda: self._exchange.cancel_order(*self._lookup.named(client_order_id, symbol)))

    async def cancel_all(self) -> None:
        """See `Broker`."""
        if not self.abilities.cancel_all:
            raise Refused(f"{self._venue.exchange} has no request that cancels all orders")
        try:
            symbols = sorted({order.symbol for order in await self.open_orders()})
        except OutcomeUnknown:
            symbols = list(self._instruments)  # without an answer every market has to be asked
        for symbol in symbols:
            try:
                await self._end(partial(self._exchange.cancel_all_orders, symbol))
            except Refused as refused:
                if not is_not_there(refused):  # else it was the last one, and has ended meanwhile
                    raise

    async def dead_man(self, after_s: float) -> None:
        """See `Broker`."""
        if not self.abilities.dead_man:
            raise Refused(f"{self._venue.exchange} has no dead man's switch")
        await self._end(lambda: self._exchange.cancel_all_orders_after(round(after_s * 1000)))

    def link(self) -> Link:
        """See `Broker`."""
        fault = self._wire.failed or self._reports.fault
        return Link(not fault, fault, self._wire.latency_ms, self._wire.budget.left(), self._freshness.silent_s())

    async def find(self, client_order_id: str) -> VenueOrder | None:
        """See `Broker`.

        Raises:
            OutcomeUnknown: the venue did not answer, or not in words that can be read. That is no absence.
        """
        return await self._read(lambda: self._lookup.find(client_order_id, list(self._instruments)))

    async def open_orders(self) -> Sequence[VenueOrder]:
        """See `Broker`. Raises as `find`."""
        return await self._read(lambda: self._lookup.open_orders(list(self._instruments)))

    async def fills_since(self, executed_at: int) -> Sequence[Fill]:
        """See `Broker`. Raises as `find`. Takes a request for each symbol, and one for each order not heard of before."""
        return await self._read(lambda: self._history.fills(list(self._instruments), executed_at))

    async def adjustments(self) -> Sequence[Adjustment]:
        """See `Broker`: coins have no corporate actions."""
        return []

    async def holdings(self) -> Holdings:
        """See `Broker`. A coin that several of our instruments trade is a position in the first of them."""
        return await self._read(self._holdings)

    async def next_reports(self) -> Sequence[Report]:
        """See `Broker`."""
        return await self._reports.next()

    def _instrument(self, order: Order) -> Instrument:
        instrument = self._instruments.get(order.symbol)
        if instrument is None:
            raise NotSent(f"{order.client_order_id}: {self._venue.exchange} has no spot market {order.symbol}")
        return instrument

    def _know_instruments(self) -> None:
        """Those that are traded here; `History` reads their currencies."""
        markets, wanted = self._exchange.markets, self._all_instruments
        if wanted is None:
            wanted = {one.symbol: one for one in instruments(self._exchange, self._venue.name, self._venue.symbols)}
        self._instruments.update({symbol: one for symbol, one in wanted.items() if symbol in markets})
        self._quotes.update({symbol: markets[symbol]["quote"] for symbol in self._instruments})

    async def _check_key(self) -> None:
        """Asks for what only the account's own key is shown. To be turned away for another reason says nothing of the key."""
        try:
            balance = await self._calls.read(self._exchange.fetch_balance)
        except KeyRefused as refused:
            raise WrongKey(
                f"{self._venue.exchange} does not take this key for {self._endpoint.mode} trading: {refused}. Check that it was made "
                f"{'at its testnet' if self._endpoint.mode == 'paper' else 'for the live account'}, and for this address"
            ) from refused
        except Refused as refused:
            raise OutcomeUnknown(str(refused)) from refused
        info = balance.get("info")
        if isinstance(info, dict) and info.get("canTrade") is False:
            raise WrongKey(f"{self._venue.exchange} says that this account may not trade")
        if self._venue.exchange in FLUENT and self._endpoint.mode == "live":
            for warning in binance.check_rights(await self._read(lambda: self._calls.read(self._exchange.sapiGetAccountApiRestrictions))):
                log.warning("%s: %s", self._venue.name, warning)

    async def _holdings(self) -> Holdings:
        coins: dict[str, str] = {}
        for symbol in self._instruments:
            coins.setdefault(self._exchange.market(symbol)["base"], symbol)
        return holdings(await self._calls.read(self._exchange.fetch_balance), coins)

    def _stream(self, tell: Tell, ring: Ring) -> Stream:
        """A new one for each connection."""
        if self._fluent:
            symbols = {self._exchange.market(symbol)["id"]: symbol for symbol in self._instruments}
            return BinanceStream(self._exchange, symbols, self._quotes, self._freshness, tell, self._probe_s)
        return UnifiedStream(self._exchange, self._instruments, self._ids, self._freshness, tell, ring)

    async def _end(self, call: Callable[[], Awaitable[object]]) -> None:
        """A request that ends orders; whether it was sent at all makes no difference to who has to look them up."""
        try:
            await self._calls.change("cancel", call)
        except NotSent as error:
            raise OutcomeUnknown(str(error)) from error

    async def _read(self, call: Callable[[], Awaitable[T]]) -> T:
        """An answer that was refused or cannot be read is no answer, and least of all an empty one."""
        try:
            return await call()
        except (Refused, Unreadable) as error:
            raise OutcomeUnknown(str(error)) from error
