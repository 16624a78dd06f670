"""The execution hop: approvals and evidence in; intents, order events and booked fills out, in one transaction.

Everything about an account's orders happens here, one thing after another. Requests are sent only after the hop that
says so is committed; their answers come back as evidence and are decided on in a later hop.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import msgspec

from libs.common import metrics
from libs.common.clocks import HostClock, MarketClock
from libs.common.database import Rejected, Write
from libs.common.envelope import Sealer
from libs.common.journal import Cursor, Entry, Hop, Move
from libs.common.leases import Lease
from libs.common.logs import about
from libs.domain.configuration import BADLY_EXECUTED
from libs.domain.instruments import Instrument
from libs.domain.orders import AT_VENUE, CancelRequest, Order, Status
from libs.domain.streams import ORDERS_APPROVED
from libs.domain.trades import Fill
from libs.store import lockstep
from libs.store.execution import ExecutionStore, Queued
from libs.store.limits import LimitsInForce
from libs.store.protection import guards
from libs.store.sessions import Account, Session
from libs.venues.broker import Adjustment, Undone
from services.trade_executor.beliefs import Beliefs
from services.trade_executor.cancelling import CancelPace
from services.trade_executor.costs import add_costs, count_costs
from services.trade_executor.dispatching import Dispatch, Venue
from services.trade_executor.evidence import News, Repair
from services.trade_executor.gate import Gate
from services.trade_executor.guarding import Guarding
from services.trade_executor.hop import Change, Held
from services.trade_executor.known import Known
from services.trade_executor.last_look import LastLook
from services.trade_executor.names import Names
from services.trade_executor.parents import Parents
from services.trade_executor.quotes import Quotes
from services.trade_executor.silence import Silence
from services.trade_executor.telling import tell

log = logging.getLogger(__name__)

STREAM: Final = ORDERS_APPROVED.stream or ""
BATCH: Final = 256
BACKSTOP_S: Final = 5.0


class _Body(msgspec.Struct):
    payload: msgspec.Raw


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
        silence: Silence | None = None,
        badly_beyond: float = BADLY_EXECUTED,
    ) -> None:
        self._store = store
        self._market = market
        self._host = host
        self._sealer = sealer
        self._lease = lease
        self._account = account
        self._session = session
        self._instruments = instruments
        self._badly_beyond = badly_beyond
        self._start = start  # called with the orders to send and to cancel, once that is committed
        self._gate = gate or Gate(account, host)
        self._quotes = quotes or Quotes()
        self._last_look = last_look or LastLook(store, account, session, instruments, self._quotes, LimitsInForce(store.database, host))
        self._known = known = Known(Names(account.account_id, fleet_tag))
        self._parents = parents = Parents(store, instruments, session, host)
        self._guarding = guarding = Guarding(instruments, venue.abilities, lockstep=session.lockstep)
        self.beliefs = Beliefs(
            store,
            known,
            guarding,
            parents,
            lease,
            host,
            account=account,
            session=session,
            instruments=instruments,
            absence_is_proof=venue.abilities.absence_is_proof,
        )
        self.dispatch = Dispatch(
            known,
            guarding,
            parents,
            self._gate,
            self._last_look,
            self._quotes,
            silence or Silence(instruments, session, self._quotes),
            pace or CancelPace(),
            lease,
            market,
            host,
            session=session,
            venue=venue,
        )
        self._decided_at = 0.0  # host monotonic
        self._is_known = False  # whether `_known` is what the record says
        self._evidence: list[News] = []
        self._taken = 0
        self._change: Change | None = None
        self._step_done = 0
        self._looked_back = host.monotonic()
        self.settled = True  # nothing waits to be decided or written

    def show(self, evidence: Sequence[News]) -> None:
        """Takes evidence in; it is kept until it is committed."""
        self._evidence += evidence
        self.settled = False

    def finish_step(self, step: int) -> None:
        """All of a lockstep step's market has been shown to the venue: acknowledged once its effects are committed."""
        self._step_done = step

    def open_orders(self) -> list[Held]:
        """Every order that has not ended, in stream order."""
        return list(self._known.open.values())

    @property
    def again(self) -> bool:
        """Orders that are held back, worked or protected go on step by step."""
        goes_on = any(held.status in (Status.APPROVED, Status.WORKING) for held in self._known.open.values())
        return goes_on or not self.settled or self._guarding.stands or self._session.lockstep

    async def hop(self, cursors: Mapping[str, Cursor], limit: int) -> Hop | None:
        """Reads, decides, and says what to write. None when there is nothing to do."""
        if not self._is_known or await self._passed_over():
            await self.load()
        cursor, asked_at = cursors[STREAM], self._host.monotonic()
        evidence, known, beliefs = self._evidence[:BATCH], self._known, self.beliefs
        step_done = 0 if evidence else self._step_done  # as of now: while the record is read, a step and what it does may come
        snapshot = await self._store.read(
            cursor.no,
            limit,
            beliefs.asked_for(evidence),
            [e.exec_key for e in evidence if isinstance(e, Fill | Undone)],
            [beliefs.transaction(e) for e in evidence if isinstance(e, Adjustment | Repair)],
            beliefs.may_end(evidence),
        )
        await beliefs.learn(evidence)
        change = Change(self._market.now())
        self._approve(snapshot.queued, change)
        beliefs.believe(evidence, self._evidence, snapshot, change)
        self._gate.learn(snapshot.killed, asked_at)
        self._gate.see(known.books(change), known.open.values())
        await self._parents.learn([*known.open.values()])
        self._parents.advance(known.open, known.unwanted, change)
        self.dispatch.cancel_unwanted(change)
        approved = (h.order for h in known.now(change).values() if h.status is Status.APPROVED)
        await self._last_look.prepare(approved, snapshot.limits)
        self.dispatch.send(snapshot, change)
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
        self._is_known = False  # until it is committed nobody knows
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
        self._known.committed(change)
        self._parents.committed(change)
        del self._evidence[: self._taken]
        if any("clock_acks" in write.sql for write in hop.writes):
            self._step_done = 0
        self._is_known = True
        self._change, self._taken = None, 0
        self.settled = not self._evidence
        for event in change.events:
            if event.anomaly:
                metrics.ANOMALIES.labels(event=event.event).inc()
        tell(change)
        count_costs(change, self._badly_beyond)
        for trade in change.trades:
            metrics.TRADES.labels(liquidity=trade.liquidity).inc()
        unknown = sum(1 for h in self._known.open.values() if h.status is Status.UNKNOWN)
        metrics.UNKNOWN_ORDERS.labels(account=self._account.account_id).set(unknown)

    def put_aside(self, entry: Entry, error: str) -> Hop:
        """The order of a message that cannot be handled is denied."""
        self._is_known = False
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
        missed = await self._store.passed_over(list(self._known.open))
        if missed:
            metrics.BACKSTOP.labels(consumer=self._lease.name).inc(missed)
            told = about("orders_passed_over", "failure", consumer=self._lease.name, account_id=self._account.account_id)
            log.error("%d approved orders were passed over; taking them up now", missed, extra=told)
        return missed > 0

    async def load(self) -> None:
        """What the record says: orders still APPROVED are held back anew, so a wrong cursor loses none."""
        self._is_known = False  # until all of it is read
        known = self._known
        known.open = {row.order_id: Held.of(row, known.open.get(row.order_id)) for row in await self._store.open_orders()}
        known.names.learn(held.order.client_order_id for held in known.open.values() if held.order.purpose != "external")
        known.unwanted = await self._store.asked_to_cancel(list(known.open))
        known.positions = await self._store.positions()
        self._guarding.load(await guards(self._store.database, self._account.account_id))
        await self._parents.load(known.open)
        self._is_known = True

    def _approve(self, queued: Sequence[Queued], change: Change) -> None:
        for message in queued:
            payload = _payload.decode(_envelope.decode(message.body).payload)
            if payload.account_id != self._account.account_id:
                continue
            if (row := message.order) is None:
                raise Rejected(f"message {message.no} of {STREAM} names an order that does not exist", None)
            held = self._known.order(row.order_id, change, {row.order_id: row})
            assert held is not None
            if isinstance(payload, CancelRequest):
                self._known.cancel(held, payload, change)
            elif held.status is Status.APPROVED:
                self._known.open.setdefault(row.order_id, held)
                self._known.names.learn([held.order.client_order_id])

    @property
    def names(self) -> Names:
        """What our orders are called at the venue."""
        return self._known.names

    def market_time(self) -> int:
        """Now, as far as this account has heard, ns."""
        return self._market.now()

    def unresolved(self) -> list[Held]:
        """Orders whose truth only the venue knows."""
        return [h for h in self._known.open.values() if h.status in AT_VENUE]
