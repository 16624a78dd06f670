"""The execution hop: approvals and evidence in; intents, order events and booked fills out, in one transaction.

Everything about an account's orders happens here, one thing after another. Requests are sent only after the hop that
says so is committed; their answers come back as evidence and are decided on in a later hop.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Final, Protocol
from uuid import UUID

import msgspec

from libs.common import metrics
from libs.common.clocks import HostClock, MarketClock
from libs.common.database import Rejected, Write
from libs.common.envelope import Sealer
from libs.common.journal import Cursor, Entry, Hop, Move
from libs.common.leases import Lease
from libs.common.logs import about
from libs.domain.booking import action_transaction
from libs.domain.books import Position
from libs.domain.instruments import Instrument
from libs.domain.orders import (
    AT_VENUE,
    TERMINAL,
    CancelRequest,
    Evidence,
    IllegalIntent,
    Intent,
    Order,
    Status,
    Step,
    after,
    after_fill,
    intend,
)
from libs.domain.reconciling import EXTERNAL
from libs.domain.streams import ORDERS_APPROVED
from libs.domain.trades import Fill, Trade
from libs.quant.dispatch import DENIED, fates
from libs.quant.execution.protection import Standing
from libs.store import lockstep
from libs.store.execution import ExecutionStore, OrderRow, Queued, Snapshot
from libs.store.protection import guards
from libs.store.reconciliation import halt_symbol, put_aside
from libs.store.sessions import Account, Session
from libs.venues.broker import Abilities, Adjustment, Link, Undone
from services.trade_executor import reconcile
from services.trade_executor.adopting import adopt, repair
from services.trade_executor.cancelling import CancelPace
from services.trade_executor.costs import add_costs, count_costs
from services.trade_executor.doubts import Doubts
from services.trade_executor.evidence import Adoption, News, Repair, Shown, Unwanted
from services.trade_executor.gate import Gate
from services.trade_executor.guarding import Guarding
from services.trade_executor.hop import Change, Held
from services.trade_executor.last_look import LastLook
from services.trade_executor.names import Names
from services.trade_executor.parents import Parents
from services.trade_executor.quotes import Quotes
from services.trade_executor.telling import ids, tell
from services.trade_executor.undoing import undo

log = logging.getLogger(__name__)

STREAM: Final = ORDERS_APPROVED.stream or ""
BATCH: Final = 256
BACKSTOP_S: Final = 5.0
UNDECIDED: Final = "; record and venue differ, and nothing that adds to a book is sent before somebody decides (`fleet doctor`)"


class Venue(Protocol):
    """What the stage has to know of the broker, which it never asks anything."""

    abilities: Abilities

    def link(self) -> Link: ...


class _Body(msgspec.Struct):
    payload: msgspec.Raw


_ENDS: Final = frozenset({Evidence.CANCELED, Evidence.EXPIRED, Evidence.REPLACED})
_envelope: Final = msgspec.json.Decoder(_Body)
_payload: Final = msgspec.json.Decoder(Order | CancelRequest)


class ExecutionStage:
    """One account. Decides what is sent and what is believed; sends nothing itself."""

    streams = (STREAM,)

    def __init__(
        self,
        store: ExecutionStore,
        market: MarketClock,
        host: HostClock,
        sealer: Sealer,
        lease: Lease,
        *,
        account: Account,
        session: Session,
        instruments: Mapping[str, Instrument],
        venue: Venue,
        start: Callable[[Sequence[Held], Sequence[Order]], None],
        quotes: Quotes | None = None,
        gate: Gate | None = None,
        pace: CancelPace | None = None,
        last_look: LastLook | None = None,
        fleet_tag: str = "",
    ) -> None:
        self._store = store
        self._market = market
        self._host = host
        self._sealer = sealer
        self._lease = lease
        self._account = account
        self.names = Names(account.account_id, fleet_tag)
        self._session = session
        self._instruments = instruments
        self._venue = venue
        self._start = start  # called with the orders to send and to cancel, once that is committed
        self._guarding = Guarding(instruments, venue.abilities, lockstep=session.lockstep)
        self._gate = gate or Gate(account, host)
        self._decided_at = 0.0  # host monotonic
        self._open: dict[UUID, Held] = {}
        self._unwanted: set[UUID] = set()  # orders that are to be cancelled, whatever became of the request to do so
        self._withdrawn: set[UUID] = set()  # and those that must not rest any more, by the account's own policy
        self._positions: dict[tuple[str, str], Position] = {}
        self._quotes = quotes or Quotes()
        self._last_look = last_look or LastLook(store, account, session, instruments, self._quotes)
        self._parents = Parents(store, instruments, session, host)
        self._doubts = Doubts(host)
        self._known = False  # whether _open and _positions are what the record says
        self._pace = pace or CancelPace()  # of cancels, as they are sent
        self._evidence: list[News] = []
        self._taken = 0
        self._change: Change | None = None
        self._step_done = 0
        self._looked_back = host.monotonic()
        self.settled = True  # nothing waits to be decided or written
        self.armed = False  # nothing is sent before the record has been compared with the venue
        self._traded: Sequence[Trade] = ()  # of the orders of which executions are taken back
        self.strays: list[Fill] = []  # of orders that the record does not know: not booked before the venue was asked whose they are
        self.disowned: set[str] = set()  # client order ids that the venue was asked for in vain

    def show(self, evidence: Sequence[News]) -> None:
        """Takes evidence in; it is kept until it is committed."""
        self._evidence += evidence
        self.settled = False

    def finish_step(self, step: int) -> None:
        """All of a lockstep step's market has been shown to the venue: acknowledged once its effects are committed."""
        self._step_done = step

    def open_orders(self) -> list[Held]:
        """Every order that has not ended, in stream order."""
        return list(self._open.values())

    @property
    def again(self) -> bool:
        """Orders that are held back, worked or protected go on step by step."""
        goes_on = any(held.status in (Status.APPROVED, Status.WORKING) for held in self._open.values())
        return goes_on or not self.settled or self._guarding.stands or self._session.lockstep

    async def hop(self, cursors: Mapping[str, Cursor], limit: int) -> Hop | None:
        """Reads, decides, and says what to write. None when there is nothing to do."""
        if not self._known or await self._passed_over():
            await self.load()
        cursor, asked_at = cursors[STREAM], self._host.monotonic()
        evidence = self._evidence[:BATCH]
        step_done = 0 if evidence else self._step_done  # as of now: while the record is read, a step and what it does may come
        snapshot = await self._store.read(
            cursor.no,
            limit,
            self._asked_for(evidence),
            [e.exec_key for e in evidence if isinstance(e, Fill | Undone)],
            [self._transaction(e) for e in evidence if isinstance(e, Adjustment | Repair)],
            self._may_end(evidence),
        )
        undone = [self.names.of(e.client_order_id) for e in evidence if isinstance(e, Undone)]
        self._traded = await self._store.trades_of(undone) if undone else []
        change = Change(self._market.now())
        self._approve(snapshot.queued, change)
        self._believe(evidence, snapshot, change)
        self._gate.learn(snapshot.killed, asked_at)
        self._gate.see(self._positions | change.positions, self._open.values())
        await self._parents.learn([*self._open.values()])
        self._parents.advance(self._open, self._unwanted, change)
        self._cancel_unwanted(change)
        await self._last_look.prepare(h.order for h in (self._open | change.orders).values() if h.status is Status.APPROVED)
        self._dispatch(snapshot, change)
        await add_costs(self._store, change, snapshot.facts, self._instruments, self._quotes, self._host.now_ns())
        if step_done:
            change.writes.append(lockstep.acknowledge(self._session.session_id, self._lease.name, "venue", step_done))
        hop = change.as_hop(self._sealer, self._account.account_id, self._lease.epoch)
        if snapshot.queued:
            hop.moves.append(Move(self._lease.name, STREAM, cursor.no, snapshot.queued[-1].no, cursor.epoch))
        elif hop.writes:
            hop.writes.insert(0, Write("select lease_guard(%s, %s)", (self._lease.name, self._lease.epoch)))
        if not hop.moves and not hop.writes:
            del self._evidence[: len(evidence)]
            self.settled = not self._evidence
            return None if self.settled else await self.hop(cursors, limit)
        self._change, self._taken = change, len(evidence)
        self._known = False  # until it is committed nobody knows
        self._decided_at = self._host.monotonic()
        if change.sends or change.cancels:
            hop.then = partial(self._let_go, change)
        return hop

    def _let_go(self, change: Change) -> None:
        """The intents of a hop are durable: its requests leave, while its bells ring."""
        self._gate.cleared(change.sends, self._decided_at)
        self._start(change.sends, change.cancels)

    async def committed(self, hop: Hop) -> None:
        """What was decided is now so: remembers it and counts it."""
        change = self._change
        assert change is not None
        for id_, held in change.orders.items():
            if held.status in TERMINAL:
                self._open.pop(id_, None)
                self._unwanted.discard(id_)
                self._withdrawn.discard(id_)
            else:
                self._open[id_] = held
        self._positions |= change.positions
        self._parents.committed(change)
        del self._evidence[: self._taken]
        if any("clock_acks" in write.sql for write in hop.writes):
            self._step_done = 0
        self._known = True
        self._change, self._taken = None, 0
        self.settled = not self._evidence
        for event in change.events:
            if event.anomaly:
                metrics.ANOMALIES.labels(event=event.event).inc()
        tell(change)
        count_costs(change)
        for trade in change.trades:
            metrics.TRADES.labels(liquidity=trade.liquidity).inc()
        unknown = sum(1 for h in self._open.values() if h.status is Status.UNKNOWN)
        metrics.UNKNOWN_ORDERS.labels(account=self._account.account_id).set(unknown)

    def put_aside(self, entry: Entry, error: str) -> Hop:
        """The order of a message that cannot be handled is denied."""
        self._known = False
        return Hop(
            writes=[
                Write(
                    "update orders o set status = 'DENIED', updated_at = clock_timestamp() from journal j where j.stream = %s and j.no = %s"
                    " and o.id = j.key and o.account_id = %s and o.status = 'APPROVED'",
                    (STREAM, entry.no, self._account.account_id),
                )
            ]
        )

    async def _passed_over(self) -> bool:
        """The backstop: whether approved orders lie about that a wrong cursor has kept from us."""
        now = self._host.monotonic()
        if now - self._looked_back < BACKSTOP_S:
            return False
        self._looked_back = now
        missed = await self._store.passed_over(list(self._open))
        if missed:
            metrics.BACKSTOP.labels(consumer=self._lease.name).inc(missed)
            told = about("orders_passed_over", "failure", consumer=self._lease.name, account_id=self._account.account_id)
            log.error("%d approved orders were passed over; taking them up now", missed, extra=told)
        return missed > 0

    async def load(self) -> None:
        """What the record says: orders still APPROVED are held back anew, so a wrong cursor loses none."""
        self._known = False  # until all of it is read
        self._open = {row.order_id: Held.of(row, self._open.get(row.order_id)) for row in await self._store.open_orders()}
        self.names.learn(held.order.client_order_id for held in self._open.values() if held.order.purpose != "external")
        self._unwanted = await self._store.asked_to_cancel(list(self._open))
        self._positions = await self._store.positions()
        self._guarding.load(await guards(self._store.database, self._account.account_id))
        await self._parents.load(self._open)
        self._known = True

    def _asked_for(self, evidence: Sequence[News]) -> list[UUID]:
        """Ids of orders that evidence speaks of and that are not open: they have ended, or are none of ours. A slice may live again
        whose parent has ended: what it fills is the parent's."""
        ids = {self.names.of(item.client_order_id) for item in evidence if not isinstance(item, Adjustment | Repair)}
        parents = {self._open[id_].order.parent_id for id_ in ids if id_ in self._open}
        return [id_ for id_ in ids | parents if id_ is not None and id_ not in self._open]

    def _may_end(self, evidence: Sequence[News]) -> list[UUID]:
        """Ids of orders that evidence may end, and of their parents."""
        told = [
            e.client_order_id for e in evidence if isinstance(e, Fill) or (isinstance(e, Shown) and e.evidence is not Evidence.ACCEPTED)
        ]
        ids = {self.names.of(client_order_id) for client_order_id in told}
        return [*ids, *{p for id_ in ids if id_ in self._open and (p := self._open[id_].order.parent_id) is not None}]

    def _approve(self, queued: Sequence[Queued], change: Change) -> None:
        for message in queued:
            payload = _payload.decode(_envelope.decode(message.body).payload)
            if payload.account_id != self._account.account_id:
                continue
            if message.order is None:
                raise Rejected(f"message {message.no} of {STREAM} names an order that does not exist", None)
            held = self._now(message.order, change)
            if isinstance(payload, CancelRequest):
                self._cancel(held, payload, change)
            elif held.status is Status.APPROVED:
                self._open.setdefault(held.order.order_id, held)
                self.names.learn([held.order.client_order_id])

    def _now(self, row: OrderRow, change: Change) -> Held:
        return change.orders.get(row.order_id) or self._open.get(row.order_id) or Held.of(row)

    def _cancel(self, held: Held, request: CancelRequest, change: Change) -> None:
        if held.status in TERMINAL:
            return
        try:
            status = intend(held.status, Intent.CANCEL)
        except IllegalIntent:
            status = held.status  # it is on its way, or its outcome unknown: cancelled as soon as it is known to be there
            if held.order.order_id in self._unwanted:
                return  # that has been said
        self._unwanted.add(held.order.order_id)
        change.step(held, "cancel", Step(status, anomaly=False), request.reason)
        if status is Status.PENDING_CANCEL:
            change.cancels.append(held.order)

    def withdraw(self) -> None:
        """The venue was away, and the account keeps no orders then: all that are there are to end, but for those that only reduce."""
        self._withdrawn |= {held.order.order_id for held in self.unresolved() if not held.order.reduce_only}

    def overdue(self) -> bool:
        """Whether an order rests beyond its time at a venue that does not end it by itself, or a slice is due: a hop will see to it."""
        return any(self._is_overdue(held) for held in self._open.values()) or self._parents.due(self._open, self._market.now())

    def _is_overdue(self, held: Held) -> bool:
        now = self._market.supposed() if self._market.stale() else self._market.now()  # it rests at a market that goes on without us
        return not self._venue.abilities.good_till_date and held.status in (Status.ACKED, Status.PARTIAL) and now >= held.order.expires_at

    def _cancel_unwanted(self, change: Change) -> None:
        """Asks for the end of orders that are known to be alive and should not be: again, when a look-up found them so."""
        for id_, held in self._open.items():
            held = change.orders.get(id_, held)
            overdue = self._is_overdue(held)
            stopped, withdrawn = self._gate.ends(held), id_ in self._withdrawn
            unwanted = overdue or ((stopped or withdrawn or id_ in self._unwanted) and held.status in (Status.ACKED, Status.PARTIAL))
            if unwanted and self._pace.free(id_, self._host.monotonic()):
                why = stopped or ("its time is over" if overdue else "its venue was away" if withdrawn else "it is still there")
                change.step(held, "cancel", Step(intend(held.status, Intent.CANCEL), anomaly=False), why)
                change.cancels.append(held.order)

    def _believe(self, evidence: Sequence[News], snapshot: Snapshot, change: Change) -> None:
        rows = {row.order_id: row for row in snapshot.orders}
        booked, adjusted = set(snapshot.booked), set(snapshot.adjusted)
        for item in evidence:
            if isinstance(item, Adjustment | Repair):
                if self._transaction(item) not in adjusted:
                    adjusted.add(self._transaction(item))
                    self._adjust(item, change)
                continue
            held = self._order_of(item.client_order_id, rows, change)
            if isinstance(item, Fill) and item.exec_key in booked:
                change.told(held, item.cumulative)  # perhaps by a commit that was not answered: then its sum is news all the same
            elif isinstance(item, Fill):
                if not self._is_before_us(item, held) and not self._is_doubted(item, held):
                    booked.add(item.exec_key)
                    self._book(item, held, self._parent_of(held, rows, change), change)
            elif isinstance(item, Undone):
                if item.exec_key not in booked and held is not None:
                    booked.add(item.exec_key)
                    traded = [t for t in (*self._traded, *change.trades, *change.undone) if t.order_id == held.order.order_id]
                    undo(item, held, traded, change, self._positions, self._instruments[held.order.symbol])
            elif isinstance(item, Adoption):
                if held is None:
                    adopt(item, change, self._lease.epoch)
            elif isinstance(item, Unwanted):
                if held is not None and held.order.order_id not in self._unwanted:
                    order = held.order
                    self._cancel(held, CancelRequest(order_id=order.order_id, account_id=order.account_id, reason=item.reason), change)
            elif held is not None:
                self._show(item, held, change)

    def _is_before_us(self, fill: Fill, held: Held | None) -> bool:
        """Whether somebody else traded it before the session began: an adapter tells what it finds in an account's history."""
        stranger = held is None or held.order.purpose == "external"
        return stranger and fill.executed_at < self._session.start_time

    def _order_of(self, client_order_id: str, rows: Mapping[UUID, OrderRow], change: Change) -> Held | None:
        id_ = self.names.of(client_order_id)
        if id_ in change.orders:
            return change.orders[id_]
        if id_ in self._open:
            return self._open[id_]
        return Held.of(rows[id_]) if id_ in rows else None

    def _show(self, shown: Shown, held: Held, change: Change) -> None:
        if shown.asked_for and shown.evidence is Evidence.ACCEPTED and held.status in TERMINAL:
            return  # it was taken, or open, when we asked; its end has come to us faster than the answer
        evidence = shown.evidence
        if held.status not in TERMINAL and shown.filled > held.filled:
            held = change.orders[held.order.order_id] = replace(held, at_venue=max(held.at_venue, shown.filled))
            if self._lacks_for_good(shown, held):
                evidence = Evidence.CANCELED if evidence is Evidence.ACCEPTED else evidence
            elif evidence in _ENDS:  # its book is not free before what it traded is booked
                evidence = Evidence.ACCEPTED
        self._guarding.heed(shown, held, self._host.monotonic())
        step = after(held.status, evidence, max(held.filled, shown.filled))
        if step.status is not held.status or step.anomaly:
            change.step(held, str(evidence), step, shown.detail)

    def _lacks_for_good(self, shown: Shown, held: Held) -> bool:
        """Whether an order of somebody else has ended with fills that are not booked and will not be: from before the session began.
        What lags is waited for; a fill that comes later still is booked all the same."""
        ended = shown.filled >= held.order.quantity if shown.evidence is Evidence.ACCEPTED else shown.evidence in _ENDS
        lasts = ended and held.order.purpose == "external"
        return lasts and not self._doubts.waits(shown.client_order_id, reconcile.AGREE_REMOTELY_AFTER_S)

    def _parent_of(self, held: Held | None, rows: Mapping[UUID, OrderRow], change: Change) -> Held | None:
        id_ = held.order.parent_id if held is not None and held.order.purpose == "slice" else None
        if id_ is None or id_ in change.orders or id_ in self._open:
            return None if id_ is None else change.orders.get(id_) or self._open[id_]
        return Held.of(rows[id_])

    def _book(self, fill: Fill, held: Held | None, parent: Held | None, change: Change) -> None:
        if held is None and fill.client_order_id not in self.disowned:
            self.strays.append(fill)
            return
        reason = self._contradiction(fill, held)
        if reason is not None or held is None:
            found = ids(held.order) if held else {"client_order_id": fill.client_order_id, "account_id": self._account.account_id}
            told = about("fill_quarantined", "failure", exec_key=fill.exec_key, **found)
            log.critical("fill %s of %s was not booked: %s", fill.exec_key, fill.client_order_id, reason, extra=told)
            change.writes += put_aside(self._account.venue, self._account.account_id, fill, reason or "")
            return
        position = change.positions.get(held.book) or self._positions.get(held.book) or Position()
        step = after_fill(held.status, held.order.quantity, held.filled + fill.quantity)
        change.book(held, fill, position, self._instruments[held.order.symbol], step)
        self._guarding.filled(held, parent, change)
        if held.filled + fill.quantity > held.order.quantity:
            over = f"order {held.order.order_id} was filled with {held.filled + fill.quantity} of {held.order.quantity}"
            change.writes.append(halt_symbol(held.order.symbol, over))
        if parent is not None:
            change.pass_on(parent, fill)

    def _transaction(self, adjustment: Adjustment | Repair) -> UUID:
        if isinstance(adjustment, Repair):
            return adjustment.transaction
        return action_transaction(self._account.account_id, adjustment.action)

    def _adjust(self, adjustment: Adjustment | Repair, change: Change) -> None:
        if isinstance(adjustment, Repair):
            symbol = adjustment.difference.key
            book = (self._positions | change.positions).get((EXTERNAL, symbol), Position())
            repair(adjustment, change, book, self._instruments[symbol] if adjustment.difference.kind == "position" else None)
            return
        action = adjustment.action
        after, cash = adjustment.after.normalize(), adjustment.cash.normalize()
        log.info(
            "%s of %s: the venue now holds %s, and paid %s %s",
            action.kind,
            action.symbol,
            f"{after:f}",
            f"{cash:f}",
            adjustment.currency,
            extra=about("corporate_action", "success", symbol=action.symbol, account_id=self._account.account_id),
        )
        change.adjust(self._account.account_id, adjustment, self._positions | change.positions, self._instruments)
        for id_, held in self._open.items():
            if held.order.symbol == action.symbol and change.orders.get(id_, held).status is Status.WORKING:
                self._parents.call_off(change.orders.get(id_, held), f"{action.kind} of {action.symbol}", self._unwanted, change)

    def _contradiction(self, fill: Fill, held: Held | None) -> str | None:
        if held is None or held.order.account_id != self._account.account_id:
            return "no such order of ours"
        if fill.symbol != held.order.symbol or fill.side != held.order.side:
            return f"the order is to {held.order.side} {held.order.symbol}, the fill says {fill.side} {fill.symbol}"
        if self._exceeds(fill, held):
            return f"{held.filled} are booked; with this fill that is more than the venue's own sum of {fill.cumulative}"
        return None

    def _exceeds(self, fill: Fill, held: Held) -> bool:
        filled = held.filled + fill.quantity
        return filled > max(fill.cumulative, held.at_venue) and filled > self._told_of(fill.client_order_id)

    def _is_doubted(self, fill: Fill, held: Held | None) -> bool:
        """Whether it is one too many by what the venue has told, which may be old: then it is looked at again before it is put aside."""
        lag_s = 0.0 if self._venue.abilities.absence_is_proof else reconcile.AGREE_REMOTELY_AFTER_S
        return held is not None and self._exceeds(fill, held) and self._doubts.waits(fill.exec_key, lag_s)

    def _told_of(self, client_order_id: str) -> Decimal:
        """The largest sum of an order that waits to be believed: a fill that was missed comes with those after it, which are booked."""
        sums = (e.cumulative for e in self._evidence if isinstance(e, Fill) and e.client_order_id == client_order_id)
        return max(sums, default=Decimal(0))

    def _dispatch(self, snapshot: Snapshot, change: Change) -> None:
        current = {id_: held for id_, held in (self._open | change.orders).items() if held.status not in TERMINAL}
        standings = [Standing(h.order, h.status, h.filled) for h in current.values()]
        self.armed = self.armed and self._venue.link().up  # what happened meanwhile is looked at before anything is sent again
        reaches = self._lease.held() and self._venue.link().up
        may_send = self.armed and reaches and not (self._market.stale() and not self._session.lockstep)
        gate, slots = self._gate, 8 if may_send else 0
        yielding: dict[tuple[str, str], Decimal] = {}
        found = fates(
            standings,
            gate.kills,
            gate.accounts,
            change.market_time,
            slots,
            books=gate.books,
            halted=snapshot.halted,
            unreconciled=snapshot.unreconciled,
        )
        for order, fate in found:
            held = current[order.order_id]
            if fate in ("send", "work") and (why := self._last_look.denied(order, standings, gate.books, snapshot.equity)):
                change.step(held, "deny", Step(intend(held.status, Intent.DENY), anomaly=False), why)
            elif fate == "send":
                change.step(held, "submit", Step(intend(held.status, Intent.SUBMIT), anomaly=False))
                change.sends.append(held)
                if (price := self._quotes.price(order.symbol)) is not None:
                    change.arrivals[order.order_id] = price
            elif fate == "work":
                self._parents.begin(held, change)
            elif fate == "stop":
                self._parents.call_off(held, "RC-C01: kill switch", self._unwanted, change)
            elif fate == "expire":
                why = "never sent: too late" + (UNDECIDED if snapshot.unreconciled else "")
                change.step(held, "expire", Step(intend(held.status, Intent.EXPIRE_UNSENT), anomaly=False), why)
            elif fate == "yield":
                yielding[held.book] = yielding.get(held.book, Decimal(0)) + order.quantity
            elif fate in DENIED:
                change.step(held, "deny", Step(intend(held.status, Intent.DENY), anomaly=False), DENIED[fate])
        if reaches:
            positions = self._positions | change.positions
            self._guarding.act(change, self._open, positions, yielding, gate.clears_books, self._host)

    def market_time(self) -> int:
        """Now, as far as this account has heard, ns."""
        return self._market.now()

    def unresolved(self) -> list[Held]:
        """Orders whose truth only the venue knows."""
        return [h for h in self._open.values() if h.status in AT_VENUE]
