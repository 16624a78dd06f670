"""Requests to the broker. Each is sent once; whatever comes back, or does not, is evidence for the next hop."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from decimal import Decimal

from libs.common import metrics
from libs.common.clocks import SECOND, HostClock
from libs.common.crash_points import reached
from libs.common.leases import Lease
from libs.common.logs import about
from libs.domain.orders import Evidence, Order
from libs.venues.broker import Broker, NotSent, OrderReport, OutcomeUnknown, Refused, Report
from services.trade_executor.cancelling import CancelPace
from services.trade_executor.evidence import News, Shown
from services.trade_executor.gate import Gate
from services.trade_executor.hop import Held
from services.trade_executor.requests import Request, requests_of
from services.trade_executor.telling import ids

log = logging.getLogger(__name__)

Show = Callable[[Sequence[News]], None]


class Sender:
    """Puts committed intents on the wire and tells what became of them."""

    def __init__(self, broker: Broker, lease: Lease, clock: HostClock, show: Show, gate: Gate | None = None) -> None:
        self._broker = broker
        self._lease = lease
        self._clock = clock
        self._show = show
        self.pace = CancelPace()
        self._gate = gate
        self._tasks: set[asyncio.Task[None]] = set()
        self.in_flight: set[str] = set()  # client order ids whose answer we still wait for

    def start(self, sends: Sequence[Held], cancels: Sequence[Order]) -> None:
        """Sends what a committed hop intends."""
        deadline = min(self._clock.monotonic() + Lease.SEND_DEADLINE_S, self._lease.valid_until)
        for request in requests_of(sends, self._broker.abilities):
            self._run(request.names, self._submit(request, deadline))
        if len(cancels) > 1 and self._broker.abilities.cancel_all and self._gate is not None and self._gate.ends_all:
            self._run([order.client_order_id for order in cancels], self._cancel_all(cancels))
            return
        for order in cancels:
            if not self.pace.free(order.order_id, self._clock.monotonic()):
                continue  # it is looked up, and asked again when its minute is over
            self.pace.asked(order.order_id, self._clock.monotonic())
            self._run([order.client_order_id], self._cancel(order))

    async def drain(self) -> None:
        """Until every request has its answer, or the answer that there is none."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def _run(self, names: Sequence[str], request: Coroutine[None, None, None]) -> None:
        self.in_flight.update(names)
        task = asyncio.create_task(request)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _submit(self, request: Request, deadline: float) -> None:
        waited_s, began = (self._clock.now_ns() - request.approved_ns) / SECOND, self._clock.monotonic()
        first = request.orders[0]
        try:
            await self._put_on_the_wire(request, deadline)
            reached("CP12")
            outcome, why = Evidence.ACCEPTED, ""
        except Refused as error:
            outcome, why = Evidence.REJECTED, str(error)
        except NotSent as error:
            outcome, why = Evidence.NOT_SENT, str(error)
        except OutcomeUnknown as error:
            outcome, why = Evidence.UNCLEAR, str(error)
        except Exception as error:  # what we do not understand is not an answer
            log.exception("submitting order %s", first.order_id, extra=about("order_submit", "unknown", **ids(first)))
            outcome, why = Evidence.UNCLEAR, f"{type(error).__name__}: {error}"
        self._answered(request.answers(outcome, why))
        metrics.SUBMITS.labels(outcome=str(outcome)).inc()
        metrics.ORDER_ANSWER.labels(outcome=str(outcome)).observe(self._clock.monotonic() - began)
        if outcome is not Evidence.NOT_SENT:
            metrics.SIGNAL_TO_WIRE.observe(max(0.0, waited_s))  # two clocks: the database's may be a little ahead

    async def _put_on_the_wire(self, request: Request, deadline: float) -> None:
        """Once. Where the look at the kill switches grew too old on the way, as while a connection was made, nothing has left: it goes
        when they are known anew, or not at all after `deadline`.

        Raises:
            Refused, NotSent, OutcomeUnknown.
        """
        while True:
            if self._gate is not None:
                await self._gate.known(request.orders, deadline)
            reached("CP08")
            try:
                return await request.send(self._broker, deadline)
            except NotSent:
                if self._gate is None or not self._gate.too_old(request.orders):
                    raise

    async def _cancel(self, order: Order) -> None:
        try:
            await self._broker.cancel(order.client_order_id)
            reached("CP22")
        except Refused as error:
            self._answered([Shown(order.client_order_id, Evidence.CANCEL_REFUSED, Decimal(0), str(error))])
        except Exception as error:
            log.warning("canceling order %s: %s", order.order_id, error, extra=about("order_cancel", "unknown", **ids(order)))
            self._answered([Shown(order.client_order_id, Evidence.CANCEL_UNCLEAR, Decimal(0), f"{type(error).__name__}: {error}")])
        else:
            self.in_flight.discard(order.client_order_id)  # the end itself comes as a report

    async def _cancel_all(self, orders: Sequence[Order]) -> None:
        """One request for all of them, when nothing of the account is to stay. No answer is left as it is: what is still there is found
        in the venue's list and asked for again, which takes one request where looking each order up takes one an order."""
        try:
            await self._broker.cancel_all()
        except Exception as error:
            told = about("order_cancel", "unknown", account_id=orders[0].account_id)
            log.warning("canceling all %d orders: %s", len(orders), error, extra=told)
        self.in_flight.difference_update(order.client_order_id for order in orders)

    def _answered(self, answers: Sequence[Shown]) -> None:
        self.in_flight.difference_update(answer.client_order_id for answer in answers)
        self._show(answers)


def evidence_of(reports: Sequence[Report]) -> list[News]:
    """A venue's reports as evidence, in its order."""
    return [Shown(r.client_order_id, r.evidence, r.filled, r.detail) if isinstance(r, OrderReport) else r for r in reports]
