"""Orders that are worked by slices: what `next_step` says of each, turned into steps and new orders of a hop.

A parent has no venue of its own. What it has filled is the sum of its slices, in its own row; the trades are theirs. All that
is remembered here is read from rows again when the record may have changed without us.
"""

from collections.abc import Mapping, MutableSet, Sequence
from typing import Final
from uuid import UUID

from libs.common.clocks import HostClock
from libs.domain.executions import execution_of
from libs.domain.instruments import Instrument
from libs.domain.names import TIMEFRAMES
from libs.domain.orders import OPEN, Intent, Order, Status, Step, intend
from libs.quant.execution.orders import parent_of, slice_of, slice_seen
from libs.quant.execution.profile import DAY, DAYS, Traded, frame, volume_profile
from libs.quant.execution.slices import Next, Over, Send, Stop, even, next_step
from libs.store.execution import ExecutionStore
from libs.store.sessions import Session
from services.trade_executor.hop import Change, Held

_EVENTS: Final[Mapping[Intent, str]] = {Intent.FINISH: "finish", Intent.EXPIRE_UNSENT: "expire", Intent.DENY: "deny"}


class Parents:
    """The orders of one account that are worked."""

    def __init__(self, store: ExecutionStore, instruments: Mapping[str, Instrument], session: Session, host: HostClock) -> None:
        self._store = store
        self._instruments = instruments
        self._session = session
        self._host = host
        self._slices: dict[UUID, dict[UUID, Held]] = {}  # by parent, as committed
        self._profiles: dict[UUID, tuple[int, ...] | None] = {}  # of vwap parents; None: no earlier day says anything

    async def load(self, open_: Mapping[UUID, Held]) -> None:
        """What the record says of the slices of those that are being worked."""
        parents = [id_ for id_, held in open_.items() if held.status is Status.WORKING]
        slices: dict[UUID, dict[UUID, Held]] = {id_: {} for id_ in parents}
        for row in await self._store.slices(parents) if parents else ():
            if row.parent_id is not None:
                slices[row.parent_id][row.order_id] = Held.of(row)
        self._slices = slices

    async def learn(self, held: Sequence[Held]) -> None:
        """The volume profiles that schedules of these orders follow; read once, before the first slice."""
        for order in (h.order for h in held if h.order.execution.startswith("vwap") and h.order.order_id not in self._profiles):
            self._profiles[order.order_id] = await self._profile(order)

    async def _profile(self, order: Order) -> tuple[int, ...] | None:
        """Of bars that began before the day of the order's start, which stay as they are: the same after a restart."""
        execution, timeframe = execution_of(order.execution), frame(self._session.timeframes)
        length, since = TIMEFRAMES[timeframe], self._session.start_time if self._session.lockstep else 0
        days = [order.decided_at - day * DAY for day in range(DAYS, 0, -1)]
        stretches = [(max(since, day - length), day + execution.takes_ns) for day in days if day + execution.takes_ns > since]
        bars = await self._store.volumes(self._session.venue, order.symbol, timeframe, stretches)
        return volume_profile(map(Traded._make, bars), length, order.decided_at, execution.takes_ns, execution.slices)

    def begin(self, held: Held, change: Change) -> None:
        """An approved order is worked from now on, beginning with its first slice in the same transaction."""
        parent = change.step(held, "work", Step(intend(held.status, Intent.WORK), anomaly=False), self._described(held.order))
        self._advance(parent, False, set(), change)

    def _described(self, order: Order) -> str:
        if order.order_id not in self._profiles:
            return order.execution
        profile = self._profiles[order.order_id]
        if profile is None:
            return f"{order.execution}, in equal slices: no earlier day's volume at this time is on record"
        shares = " ".join(f"{100 * weight / (sum(profile) or 1):.1f}" for weight in profile)
        return f"{order.execution}, by earlier days' volume: {shares} %"

    def advance(self, open_: Mapping[UUID, Held], unwanted: MutableSet[UUID], change: Change) -> None:
        """The next slices that are due, and the ends of parents, after what this hop has believed.

        Args:
            unwanted: orders that are to be canceled; slices of those are added.
        """
        for id_, held in open_.items():
            parent = change.orders.get(id_, held)
            if parent.status is Status.WORKING:
                self._advance(parent, id_ in unwanted, unwanted, change)

    def due(self, open_: Mapping[UUID, Held], now: int) -> bool:
        """Whether a hop would find something to do for one of them at this market time."""
        return any(
            isinstance(self._next(held, self._of(held, Change(now)), now, False), Send | Over)
            for held in open_.values()
            if held.status is Status.WORKING
        )

    def committed(self, change: Change) -> None:
        """What was decided is now so."""
        for held in change.orders.values():
            if held.status is Status.WORKING:
                self._slices.setdefault(held.order.order_id, {})
        for id_, held in change.orders.items():
            if held.order.purpose == "slice" and held.order.parent_id in self._slices:
                self._slices[held.order.parent_id][id_] = held
        for id_, held in change.orders.items():
            if held.status not in OPEN:
                self._slices.pop(id_, None)
                self._profiles.pop(id_, None)

    def call_off(self, parent: Held, why: str, unwanted: MutableSet[UUID], change: Change) -> None:
        """From now on the parent is to end, also after a restart: its `cancel` event says so."""
        if parent.order.order_id not in unwanted:
            unwanted.add(parent.order.order_id)
            change.step(parent, "cancel", Step(intend(parent.status, Intent.CANCEL), anomaly=False), why)

    def _advance(self, parent: Held, is_unwanted: bool, unwanted: MutableSet[UUID], change: Change) -> None:
        slices = self._of(parent, change)
        match self._next(parent, slices, change.market_time, is_unwanted):
            case Send() as send:
                change.spawn(slice_of(parent.order, send, self._instruments[parent.order.symbol], change.market_time), self._host.now_ns())
            case Stop(why):
                if self._stop(slices, why, unwanted, change):
                    self._advance(parent, is_unwanted, unwanted, change)
            case Over(intent, why):
                change.step(parent, _EVENTS[intent], Step(intend(parent.status, intent), anomaly=False), _with_rest(parent, why))
            case None:
                pass

    def _stop(self, slices: Sequence[Held], why: str, unwanted: MutableSet[UUID], change: Change) -> bool:
        """Has open slices canceled; True when none is left, for those that were not sent end at once."""
        for held in slices:
            if held.status is Status.APPROVED:
                change.step(held, "cancel", Step(intend(held.status, Intent.CANCEL), anomaly=False), f"its parent ends: {why}")
            elif held.status in OPEN:
                unwanted.add(held.order.order_id)
        return all(held.status is Status.APPROVED for held in slices if held.status in OPEN)

    def _of(self, parent: Held, change: Change) -> list[Held]:
        known = self._slices.get(parent.order.order_id, {})
        fresh = {id_: h for id_, h in change.orders.items() if h.order.parent_id == parent.order.order_id and h.order.purpose == "slice"}
        return list((known | fresh).values())

    def _next(self, parent: Held, slices: Sequence[Held], now: int, unwanted: bool) -> Next | None:
        order, instrument = parent.order, self._instruments[parent.order.symbol]
        made = [slice_seen(order, h.order, h.status, h.filled, instrument) for h in slices]
        weights = self._profiles.get(order.order_id) or even(execution_of(order.execution).slices)
        return next_step(parent_of(order, instrument), made, now, weights, unwanted=unwanted)


def _with_rest(parent: Held, why: str) -> str:
    rest = parent.order.quantity - parent.filled
    return f"{why}; {rest.normalize():f} of {parent.order.quantity.normalize():f} was not filled"
