"""Record and venue kept in step: at the start before anything is sent, after each reconnection, each half minute, and when asked.

What the venue shows is taken in as evidence. What remains different becomes items on record, which hold back whatever
adds to a book until a person has decided on them; what was decided is done here, under the account's lease.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final
from uuid import UUID

from libs.common import metrics
from libs.common.clocks import HostClock
from libs.common.crash_points import reached
from libs.common.database import Database, Unreachable
from libs.common.logs import about
from libs.domain.instruments import Instrument
from libs.domain.orders import Evidence, Order, Status, VenueOrder
from libs.domain.reconciling import Difference, Item, agreed, fill_item
from libs.domain.trades import Fill
from libs.store import control
from libs.store.execution import ExecutionStore
from libs.store.reconciliation import ReconcileStore, Standing, holding, shown
from libs.store.sessions import Account, Session
from libs.venues.broker import Broker, OutcomeUnknown
from services.trade_executor import reconcile
from services.trade_executor.absence import Absences, never_accepted
from services.trade_executor.adopting import adopted, of_fill, repair_transaction
from services.trade_executor.evidence import Adoption, News, Repair, Shown, Unwanted
from services.trade_executor.hop import Held
from services.trade_executor.reconcile import Asked, Patience, answered
from services.trade_executor.send import Sender, Show
from services.trade_executor.stage import ExecutionStage
from services.trade_executor.strangers import Strangers
from services.trade_executor.unseen import Unseen

log = logging.getLogger(__name__)

RECONCILE_EVERY_S: Final = 30.0
LOOK_UP_EVERY_S: Final = 1.0
AGAIN_S: Final = 2.0
LOOK_UP_AT_MOST_S: Final = 15.0  # a venue that leaves an order in doubt is asked ever less often: its request budget is needed for cancels


class Reconciler:
    """Of one account at one broker, as long as its lease is held."""

    def __init__(
        self,
        broker: Broker,
        stage: ExecutionStage,
        sender: Sender,
        store: ExecutionStore,
        items: ReconcileStore,
        database: Database,
        clock: HostClock,
        *,
        account: Account,
        session: Session,
        instruments: Mapping[str, Instrument],
        fleet_tag: str,
        show: Show,
        undecided: Callable[[str], None],
    ) -> None:
        """
        Args:
            database: for questions that no hop has to wait for.
            show: takes evidence to the stage.
            undecided: is told why nothing is sent that adds to a book, "" when nothing is in the way.
        """
        self._broker = broker
        self._stage = stage
        self._sender = sender
        self._store = store
        self._items = items
        self._database = database
        self._clock = clock
        self._account = account
        self._session = session
        self._instruments = instruments
        self._show = show
        self._undecided = undecided
        self._strangers = Strangers(items, account.account_id, frozenset(instruments), fleet_tag, stage.names)
        self._absences = Absences()
        self._unseen = Unseen(items, account.account_id)
        self._patience = Patience(LOOK_UP_EVERY_S, LOOK_UP_EVERY_S if broker.abilities.absence_is_proof else LOOK_UP_AT_MOST_S)
        self._read_to: int | None = None  # market time at which the venue's fills were read last
        self.looked_at: float | None = None  # monotonic seconds at which the venue last answered a look, whole
        self._revenants: dict[str, float] = {}  # ended by the record, listed as open: since which look, monotonic seconds
        self._told: frozenset[UUID] = frozenset()
        self._changed = False  # whether the last look has done something that another should see the end of

    async def arm(self, step: Callable[[], Awaitable[bool]]) -> None:
        """Looks at everything until the record agrees with the venue, or has on it where they differ; orders may be sent then.

        Args:
            step: one hop, False when there was nothing to do.

        Raises:
            OutcomeUnknown: the venue did not answer all of it: nothing is armed.
        """
        await self.look()
        await self._settle(step)
        if not await self.compare(partial(self._settle, step)):
            raise OutcomeUnknown("what the account holds changed between two looks")
        self._cancel_again()
        self._stage.dispatch.armed = True

    async def _settle(self, step: Callable[[], Awaitable[bool]]) -> None:
        """Everything that was shown is on record, and no fill of an unknown order is left."""
        while True:
            while await step() or not self._stage.settled:
                pass
            if not self._stage.beliefs.strays:
                return
            await self._ask_for_strays()

    async def run(self) -> None:
        """Unknown orders each second, everything each half minute, after each reconnection, and when somebody asks for it."""
        asked = Asked(self._clock, every_s=RECONCILE_EVERY_S)
        while True:
            try:
                if self._stage.beliefs.strays:
                    await self._ask_for_strays()
                trades = self._broker.link().up and self._stage.dispatch.armed
                if asked.now(await control.asked_to_reconcile(self._database), connected=trades):
                    await self.look()
                    self._cancel_again()
                    if await self.compare():
                        self._stage.dispatch.armed = True
                    else:
                        asked.again()
                    if self._changed:
                        asked.again(AGAIN_S)
                else:
                    await self._look_up_doubtful()
            except Unreachable as error:
                log.warning("reconciliation waits for the database: %s", error, extra=self._about("database_lost"))
            except OutcomeUnknown as error:
                asked.again()
                self.unanswered(error)
            await asyncio.sleep(LOOK_UP_EVERY_S)

    async def look(self) -> None:
        """Asks the venue for its open orders, for those that are missing there one by one, and for what it has filled.

        Raises:
            OutcomeUnknown: it did not answer all of it. What it did answer is shown.
        """
        held = self._stage.unresolved()
        listed = {order.client_order_id: order for order in await answered(self._broker.open_orders(), "its open orders")}
        ours = {h.order.client_order_id: h for h in self._stage.open_orders()}
        found = await self._strangers.among(
            [order for id_, order in listed.items() if id_ not in ours],
            [order for id_, order in listed.items() if id_ in ours and ours[id_].order.purpose == "external"],
            await self._items.standing(),
            await self._items.closing(),
        )
        self._show(self._adoptions(found.adopt))
        self._reopen(found.ended)
        self._show([Unwanted(id_, reason) for id_, reason in found.close.items()])
        await self._items.found(found.items, ("order", "foreign"))
        self._changed = bool(found.adopt or found.close)
        await self._cancel_unbooked(found.cancel)
        await self._look_at(held, listed)

    async def _look_up_doubtful(self) -> None:
        """Orders whose outcome nobody knows, when it is time for that."""
        doubtful = [h for h in self._stage.unresolved() if self._in_doubt(h)]
        if self._patience.wants({h.order.client_order_id for h in doubtful}, self._clock.monotonic()):
            await self._look_at(doubtful)

    async def _cancel_unbooked(self, client_order_ids: Sequence[str]) -> None:
        """Ends orders that the record cannot have, as a person has decided; whether they are gone the next listing says."""
        for id_ in client_order_ids:
            try:
                await self._broker.cancel(id_)
            except Exception as error:  # whatever the answer: a defect of an adapter must not end the desk, look after look
                told = self._about("order_cancel") | {"client_order_id": id_}
                log.warning("account %s: canceling order %s: %s", self._account.account_id, id_, error, extra=told)

    async def _look_at(self, held: Sequence[Held], listed: Mapping[str, VenueOrder] | None = None) -> None:
        """What became of these orders, then what was filled: so the fills that an end speaks of come before it."""
        began = self._stage.market_time()
        found = await reconcile.looked_up(self._broker, held, self._sender.in_flight, listed)
        owing = reconcile.owing_since(held, found.shown)
        missed = await reconcile.missed(self._broker, self._store, self._account.account_id, self._session, self._read_to, owing)
        self._read_to = began or None  # 0: nobody has said the time yet
        if missed or found.shown:
            reached("CP19")
        self._show([*missed, *found.shown])
        absent = self._absences.note(held, found.absent, found.unanswered, self._clock.monotonic())
        ignored = {s.item.id for s in await self._items.standing() if s.decision == "ignore"} if absent else ()
        if settled := await never_accepted(self._broker, self._store, absent, ignored):
            self._absences.settled(shown.client_order_id for shown in settled)
            self._show(settled)
        unresolved = {h.order.client_order_id: h for h in self._stage.unresolved()}
        listed_as_items = await self._unseen.note(held, found.unanswered, unresolved, self._clock.monotonic())
        self._show([_no_answer(h) for id_, h in unresolved.items() if id_ in listed_as_items and h.status is Status.SUBMITTING])
        if waiting := [why for id_, why in found.unanswered.items() if id_ not in listed_as_items]:
            raise OutcomeUnknown(f"{len(waiting)} orders could not be looked up: {waiting[0]}")
        self.looked_at = self._clock.monotonic()

    def _adoptions(self, orders: Sequence[VenueOrder]) -> list[News]:
        """The orders as evidence that they exist, and of how they stand."""
        news: list[News] = []
        for seen in orders:
            order = self._adopted(seen)
            if order is None:
                continue
            why = f"found at the venue: {seen.status}, {seen.filled.normalize():f} of {seen.quantity.normalize():f} filled"
            told = about("order_adopted", "success", client_order_id=seen.client_order_id, account_id=self._account.account_id)
            log.warning("account %s: order %s is adopted: %s", self._account.account_id, seen.client_order_id, why, extra=told)
            news += [Adoption(order, why), reconcile.shown_as(seen)]
        return news

    def _adopted(self, seen: VenueOrder) -> Order | None:
        return adopted(self._account, self._session, seen, self._stage.market_time(), self._stage.names)

    def _reopen(self, ended: Sequence[VenueOrder]) -> None:
        """Orders that the record has ended and that the venue lists as open at looks farther apart than a listing lags: they live."""
        now, before, lag_s = self._clock.monotonic(), self._revenants, reconcile.agree_after_s(self._broker)
        self._revenants = {order.client_order_id: before.get(order.client_order_id, now) for order in ended}
        alive = [order for order in ended if now - before.get(order.client_order_id, float("inf")) >= lag_s]
        self._show([Shown(order.client_order_id, Evidence.ACCEPTED, order.filled, "still open at the venue") for order in alive])

    async def _ask_for_strays(self) -> None:
        """Whose the fills are that belong to no order we know. The venue's word decides; without it they stay where they are."""
        strays = list(self._stage.beliefs.strays)
        for id_ in dict.fromkeys(fill.client_order_id for fill in strays):
            seen = None if self._strangers.foreign(id_) else await answered(self._broker.find(id_), f"order {id_}")
            mine = [fill for fill in strays if fill.client_order_id == id_]
            order = self._adopted(seen) if seen and seen.symbol in self._instruments else None
            if not order:
                self._stage.beliefs.disowned.add(id_)
            self._stage.beliefs.strays = [fill for fill in self._stage.beliefs.strays if fill.client_order_id != id_]
            self._show([*(self._adoptions([seen]) if order and seen else ()), *mine])

    async def compare(self, settle: Callable[[], Awaitable[None]] | None = None) -> bool:
        """Ledger against venue, and what was put aside. Only what two looks see alike counts: one alone may have met a fill on its
        way into the books. What is decided on a difference that is still there is done. False: something moved meanwhile, nothing
        was found out.

        Args:
            settle: brings everything that was shown on record; None where somebody else does.

        Raises:
            OutcomeUnknown: the venue does not answer.
        """
        account = self._account.account_id
        standing = await self._items.standing()
        known = {s.item.id for s in standing}
        found = await reconcile.differences(self._broker, self._store)
        if any(difference.item(account).id not in known for difference in found):  # else an earlier look agrees already
            await self._wait(reconcile.agree_after_s(self._broker))
            if settle is not None:
                await settle()
            if not self._stage.settled or self._stage.beliefs.strays:
                return False
            found = agreed(found, await reconcile.differences(self._broker, self._store))
        aside = await self._items.quarantined()
        items = [difference.item(account) for difference in found]
        items += [fill_item(account, key, shown(fill), reason) for key, (fill, reason) in aside.items()]
        await self._items.found(items, ("cash", "position", "fill"))
        self._take_fills({key: fill for key, (fill, _) in aside.items()}, standing)
        await self._repair(found, standing)
        self._tell(await self._items.standing())
        return True

    async def _wait(self, seconds: float) -> None:
        """Until the venue may be asked again; orders in doubt are looked up all the same."""
        while seconds > 0:
            pause = min(seconds, LOOK_UP_EVERY_S)
            await asyncio.sleep(pause)
            seconds -= pause
            if not self._broker.link().up:
                raise OutcomeUnknown("it went away between two looks")
            await self._look_up_doubtful()

    def _take_fills(self, aside: Mapping[str, Fill], standing: Sequence[Standing]) -> None:
        """Books fills that were put aside, where a person has said so: each as an order of its own in the external book."""
        for key in [s.item.key for s in standing if s.item.kind == "fill" and s.decision == "adopt"]:
            if key in aside and aside[key].symbol in self._instruments:
                seen, fill = of_fill(aside[key])
                order = self._adopted(seen)
                if order is not None:
                    self._show([Adoption(order, "a fill that was put aside is accepted"), fill])
                    self._changed = True

    async def _repair(self, found: Sequence[Difference], standing: Sequence[Standing]) -> None:
        """Follows the venue where a person has said so, once for each decision."""
        decided = {s.item.id: s for s in standing if s.decision in ("adopt", "close")}
        for difference in found:
            mine = decided.get(difference.item(self._account.account_id).id)
            if mine is None or difference.kind == "position" and difference.key not in self._instruments:
                continue
            price = await self._items.last_price(self._session.venue, difference.key)
            transaction = repair_transaction(self._account.account_id, mine.item.id, mine.decided_ns)
            self._show([Repair(transaction, difference, price)])
            self._changed = True

    def _tell(self, standing: Sequence[Standing]) -> None:
        """What holds the account back: measured, logged when it is new, and said wherever somebody asks why nothing is ordered."""
        gates = holding(standing)
        metrics.RECONCILE_DIFFERENCES.labels(account=self._account.account_id).set(len(gates))
        new = [s.item for s in gates if s.item.id not in self._told]
        self._told = frozenset(s.item.id for s in gates)
        if new:
            said = "; ".join(map(_said, new))
            log.critical("account %s: record and venue differ: %s", self._account.account_id, said, extra=self._about("ledger_compared"))
        count = f"{len(gates)} difference{'s'[: len(gates) != 1]} undecided"
        self._undecided(f"{count} (`fleet doctor`): {_said(gates[0].item)}" if gates else "")

    def _in_doubt(self, held: Held) -> bool:
        """Only the venue knows what became of it: no answer, a fill not heard of, or an intent whose commit was not answered, and
        that was never sent."""
        if held.status in (Status.SUBMITTING, Status.PENDING_REPLACE):
            return self._stage.settled and held.order.client_order_id not in self._sender.in_flight
        return held.owed or held.status in (Status.UNKNOWN, Status.CANCEL_UNKNOWN, Status.REPLACE_UNKNOWN)

    def _cancel_again(self) -> None:
        """Cancels whose request may never have left are asked for once more: asking twice does no harm."""
        asked = (Status.PENDING_CANCEL, Status.CANCEL_UNKNOWN)
        waiting = [h.order for h in self._stage.unresolved() if h.status in asked and h.order.client_order_id not in self._sender.in_flight]
        self._sender.start([], waiting)

    def unanswered(self, error: OutcomeUnknown) -> None:
        """The venue does not say."""
        log.warning("venue %s does not say: %s", self._account.venue, error, extra=self._about("reconciled"))

    def _about(self, action: str) -> dict[str, object]:
        return about(action, "failure", account_id=self._account.account_id, session_id=self._session.session_id)


def _no_answer(held: Held) -> Shown:
    """Nobody waits for an answer to its request any more, and nobody has one."""
    return Shown(held.order.client_order_id, Evidence.UNCLEAR, held.filled, "no answer on record")


def _said(item: Item) -> str:
    return f"{item.kind} {item.key}: ours {item.ours}, the venue's {item.theirs}"
