"""After a kill: what it ends is asked for again until the venue does not list it any more, and a person is told that it is so."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence, Set
from itertools import count
from typing import Final, NamedTuple, Protocol

from libs.common.clocks import HostClock
from libs.common.crash_points import reached
from libs.common.logs import about
from libs.common.within import within
from libs.domain.kill import applying, named, written
from libs.domain.orders import AT_VENUE, Order, Status, VenueOrder
from libs.venues.broker import Broker, OutcomeUnknown
from services.trade_executor.gate import Gate
from services.trade_executor.hop import Held
from services.trade_executor.reconcile import answered

log = logging.getLogger(__name__)

GONE_WITHIN_S: Final = 5.0
LISTED_WITHIN_S: Final = 5.0
RECORD_SILENT_S: Final = 0.5  # without an answer; then cancels do not wait for it
LOOK_AFTER_S: Final = (0.1, 0.3, 0.6, 1.0, 1.5, 2.0, 3.0, 5.0)  # between looks at the venue's list; the last one from then on
ASK_AGAIN_S: Final = (1.5, 4.0, 10.0)  # between requests to cancel the same: a venue that refuses does so ever so often
DIRECT_AT_ONCE: Final = 16

_ASKED: Final = (Status.PENDING_CANCEL, Status.CANCEL_UNKNOWN)


class Book(Protocol):
    """The account's open orders, as the stage knows them."""

    def open_orders(self) -> list[Held]: ...


class Swept(NamedTuple):
    """How a sweep stands."""

    account_id: str
    scopes: str
    orders: int  # that were to end
    left: Sequence[str]  # client order ids that the venue still lists
    unlisted: bool  # it did not say
    unknown: int  # orders of which nobody knows whether the venue has them
    seconds: float
    late: bool  # it took, or takes, longer than it should

    @property
    def gone(self) -> bool:
        """Whether the venue lists nothing of it any more."""
        return not self.unlisted and not self.left


class Sweep:
    """One account. Its cancels go on record where there is one, by the hop; without it they go to the venue directly."""

    def __init__(
        self,
        gate: Gate,
        book: Book,
        broker: Broker,
        clock: HostClock,
        again: Callable[[Sequence[Order]], None],
        tell: Callable[[Swept], Awaitable[None]],
    ) -> None:
        """
        Args:
            again: asks once more for cancels that are on record.
            tell: called when all is gone, and when it is not in time.
        """
        self._gate = gate
        self._book = book
        self._broker = broker
        self._clock = clock
        self._again = again
        self._tell = tell
        self._woken = asyncio.Event()
        self._late = False  # a person was told that it takes too long

    def wake(self) -> None:
        """The gate has changed."""
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            await self._until_gone()

    async def _until_gone(self) -> None:
        """Until all is gone, nothing is stopped any more, or the gate changes again."""
        began, next_ask, asks = self._clock.monotonic(), self._clock.monotonic() + ASK_AGAIN_S[0], 0
        if self._gate.kills:
            reached("CP21")
        seen: set[str] = set()
        left: list[VenueOrder] | None = None
        for look in count():
            if not self._gate.kills:
                return
            mine = [held for held in self._book.open_orders() if held.status in AT_VENUE and self._gate.ends(held)]
            if self._clock.monotonic() >= next_ask or (self._direct() and not asks):
                next_ask, asks = self._clock.monotonic() + ASK_AGAIN_S[min(asks, len(ASK_AGAIN_S) - 1)], asks + 1
                await self._ask(mine, left)
            left = await self._left()
            seen |= {held.order.client_order_id for held in mine} | {order.client_order_id for order in left or ()}
            seconds = self._clock.monotonic() - began
            self._late, was_late = self._late or seconds > GONE_WITHIN_S, self._late
            swept = self._swept(seen, left, mine, seconds)
            gone = swept.gone and not any(held.status is Status.SUBMITTING for held in mine)
            if gone or self._late > was_late:
                await self._tell(swept)
            if gone:
                self._late = False
                return
            if await self._woken_within(LOOK_AFTER_S[min(look, len(LOOK_AFTER_S) - 1)]):
                return

    async def _woken_within(self, seconds: float) -> bool:
        try:
            await within(seconds, self._woken.wait())
        except TimeoutError:
            return False
        return True

    def _direct(self) -> bool:
        """Whether cancels go to the venue without waiting for the record."""
        return bool(self._gate.pending) or self._clock.monotonic() - self._gate.asked_at > RECORD_SILENT_S

    def _swept(self, seen: Set[str], left: Sequence[VenueOrder] | None, mine: Sequence[Held], seconds: float) -> Swept:
        return Swept(
            self._gate.accounts[0],
            ", ".join(f"{named(*scope)} ({written(mode)})" for scope, mode in self._gate.kills.items()),
            len(seen),
            [order.client_order_id for order in left or ()],
            left is None,
            sum(held.status is Status.UNKNOWN for held in mine),
            seconds,
            self._late,
        )

    async def _left(self) -> list[VenueOrder] | None:
        """What the venue still lists of what is to end; None when it does not say."""
        try:
            listed = await within(LISTED_WITHIN_S, answered(self._broker.open_orders(), "its open orders"))
        except (OutcomeUnknown, TimeoutError) as error:
            log.warning("the venue does not list its open orders: %s", error, extra=about("orders_listed", "failure"))
            return None
        known = {held.order.client_order_id: held for held in self._book.open_orders()}
        return [order for order in listed if self._is_to_end(order, known.get(order.client_order_id))]

    def _is_to_end(self, order: VenueOrder, held: Held | None) -> bool:
        """An order that is none of ours is of its account and its symbol, and of no strategy; what it does to a book nobody knows."""
        if held is not None:
            return bool(self._gate.ends(held))
        hit = applying(self._gate.kills, self._gate.accounts, "", order.symbol)
        return hit is not None and hit[1] != "reduce_only"

    async def _ask(self, mine: Sequence[Held], left: Sequence[VenueOrder] | None) -> None:
        """Cancels on record are asked for once more; all others go to the venue directly, those that the record has nothing of too."""
        wanted = {held.order.client_order_id for held in mine} if left is None else {order.client_order_id for order in left}
        if not self._direct():
            self._again([held.order for held in mine if held.status in _ASKED and held.order.client_order_id in wanted])
            wanted -= {held.order.client_order_id for held in self._book.open_orders()}  # theirs are on their way through the hop
        if not wanted:
            return
        log.warning("canceling %d orders directly at the venue", len(wanted), extra=about("kill_cancels", "unknown"))
        if len(wanted) > 1 and self._broker.abilities.cancel_all and self._gate.ends_all:
            await self._request(self._broker.cancel_all())
            return
        slots = asyncio.Semaphore(DIRECT_AT_ONCE)

        async def cancel(id_: str) -> None:
            async with slots:
                await self._request(self._broker.cancel(id_))

        await asyncio.gather(*map(cancel, sorted(wanted)))

    async def _request(self, request: Awaitable[None]) -> None:
        """Whatever the answer: the venue's list is what is believed."""
        try:
            await request
        except Exception as error:
            log.warning("a cancel at the venue: %s", error, extra=about("order_cancel", "unknown"))
