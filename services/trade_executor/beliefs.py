"""What evidence makes of an account's orders and books: an answer, a report, a poll and a look-up are believed by one set of rules."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final
from uuid import UUID

from libs.common.clocks import HostClock
from libs.common.leases import Lease
from libs.common.logs import about
from libs.domain.booking import action_transaction
from libs.domain.instruments import Instrument
from libs.domain.orders import TERMINAL, CancelRequest, Evidence, Status, after, after_fill
from libs.domain.reconciling import EXTERNAL
from libs.domain.trades import Fill, Trade
from libs.store.execution import ExecutionStore, OrderRow, Snapshot
from libs.store.reconciliation import halt_symbol, put_aside
from libs.store.sessions import Account, Session
from libs.venues.broker import Adjustment, Undone
from services.trade_executor import reconcile
from services.trade_executor.adopting import adopt, repair
from services.trade_executor.doubts import Doubts
from services.trade_executor.evidence import Adoption, News, Repair, Shown, Unwanted
from services.trade_executor.guarding import Guarding
from services.trade_executor.hop import Change, Held
from services.trade_executor.known import Known
from services.trade_executor.parents import Parents
from services.trade_executor.telling import ids
from services.trade_executor.undoing import undo

log = logging.getLogger(__name__)

_ENDS: Final = frozenset({Evidence.CANCELED, Evidence.EXPIRED, Evidence.REPLACED})
Rows = Mapping[UUID, OrderRow]


class Beliefs:
    """Of one account."""

    def __init__(
        self,
        store: ExecutionStore,
        known: Known,
        guarding: Guarding,
        parents: Parents,
        lease: Lease,
        host: HostClock,
        *,
        account: Account,
        session: Session,
        instruments: Mapping[str, Instrument],
        absence_is_proof: bool,
    ) -> None:
        """`absence_is_proof`: see `Abilities`."""
        self._store = store
        self._known = known
        self._guarding = guarding
        self._parents = parents
        self._lease = lease
        self._account = account
        self._session = session
        self._instruments = instruments
        self._lag_s = 0.0 if absence_is_proof else reconcile.AGREE_REMOTELY_AFTER_S
        self._host = host
        self._doubts = Doubts(host)
        self._traded: Sequence[Trade] = ()  # of the orders of which executions are taken back
        self._waiting: Sequence[News] = ()
        self.strays: list[Fill] = []  # of orders that the record does not know: not booked before the venue was asked whose they are
        self.disowned: set[str] = set()  # client order ids that the venue was asked for in vain

    # --- what has to be read first

    def asked_for(self, evidence: Sequence[News]) -> list[UUID]:
        """Ids of orders that evidence speaks of and that are not open: they have ended, or are none of ours. A slice may live again
        whose parent has ended: what it fills is the parent's."""
        open_ = self._known.open
        ids = {self._known.names.of(item.client_order_id) for item in evidence if not isinstance(item, Adjustment | Repair)}
        parents = {open_[id_].order.parent_id for id_ in ids if id_ in open_}
        return [id_ for id_ in ids | parents if id_ is not None and id_ not in open_]

    def may_end(self, evidence: Sequence[News]) -> list[UUID]:
        """Ids of orders that evidence may end, and of their parents."""
        told = [
            e.client_order_id for e in evidence if isinstance(e, Fill) or (isinstance(e, Shown) and e.evidence is not Evidence.ACCEPTED)
        ]
        ids, open_ = {self._known.names.of(client_order_id) for client_order_id in told}, self._known.open
        return [*ids, *{p for id_ in ids if id_ in open_ and (p := open_[id_].order.parent_id) is not None}]

    def transaction(self, adjustment: Adjustment | Repair) -> UUID:
        """The ledger's name of it, which is the same however often it is told."""
        if isinstance(adjustment, Repair):
            return adjustment.transaction
        return action_transaction(self._account.account_id, adjustment.action)

    async def learn(self, evidence: Sequence[News]) -> None:
        """The trades of orders of which the venue takes executions back."""
        undone = [self._known.names.of(e.client_order_id) for e in evidence if isinstance(e, Undone)]
        self._traded = await self._store.trades_of(undone) if undone else []

    # --- believing

    def believe(self, evidence: Sequence[News], waiting: Sequence[News], snapshot: Snapshot, change: Change) -> None:
        """
        Args:
            evidence: what this hop decides on.
            waiting: all that has been told and is not committed yet, `evidence` at its head.
        """
        self._waiting = waiting
        rows = {row.order_id: row for row in snapshot.orders}
        booked, adjusted = set(snapshot.booked), set(snapshot.adjusted)
        for item in evidence:
            if isinstance(item, Adjustment | Repair):
                if self.transaction(item) not in adjusted:
                    adjusted.add(self.transaction(item))
                    self._adjust(item, change)
                continue
            held = self._known.order(self._known.names.of(item.client_order_id), change, rows)
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
                    undo(item, held, traded, change, self._known.positions, self._instruments[held.order.symbol])
            elif isinstance(item, Adoption):
                if held is None:
                    adopt(item, change, self._lease.epoch)
            elif isinstance(item, Unwanted):
                if held is not None and held.order.order_id not in self._known.unwanted:
                    order = held.order
                    request = CancelRequest(order_id=order.order_id, account_id=order.account_id, reason=item.reason)
                    self._known.cancel(held, request, change)
            elif held is not None:
                self._show(item, held, change)

    def _parent_of(self, held: Held | None, rows: Rows, change: Change) -> Held | None:
        id_ = held.order.parent_id if held is not None and held.order.purpose == "slice" else None
        if id_ is None:
            return None
        parent = self._known.order(id_, change, rows)
        assert parent is not None, f"order {id_} was not read with its slice"  # what the slice fills would be missing in it
        return parent

    # --- answers and reports

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

    # --- fills

    def _is_before_us(self, fill: Fill, held: Held | None) -> bool:
        """Whether somebody else traded it before the session began: an adapter tells what it finds in an account's history."""
        stranger = held is None or held.order.purpose == "external"
        return stranger and fill.executed_at < self._session.start_time

    def _is_doubted(self, fill: Fill, held: Held | None) -> bool:
        """Whether it is one too many by what the venue has told, which may be old: then it is looked at again before it is put aside."""
        return held is not None and self._exceeds(fill, held) and self._doubts.waits(fill.exec_key, self._lag_s)

    def _exceeds(self, fill: Fill, held: Held) -> bool:
        filled = held.filled + fill.quantity
        return filled > max(fill.cumulative, held.at_venue) and filled > self._told_of(fill.client_order_id)

    def _told_of(self, client_order_id: str) -> Decimal:
        """The largest sum of an order that waits to be believed: a fill that was missed comes with those after it, which are booked."""
        sums = (e.cumulative for e in self._waiting if isinstance(e, Fill) and e.client_order_id == client_order_id)
        return max(sums, default=Decimal(0))

    def _contradiction(self, fill: Fill, held: Held | None) -> str | None:
        if held is None or held.order.account_id != self._account.account_id:
            return "no such order of ours"
        if fill.symbol != held.order.symbol or fill.side != held.order.side:
            return f"the order is to {held.order.side} {held.order.symbol}, the fill says {fill.side} {fill.symbol}"
        if self._exceeds(fill, held):
            return f"{held.filled} are booked; with this fill that is more than the venue's own sum of {fill.cumulative}"
        return None

    def _book(self, fill: Fill, held: Held | None, parent: Held | None, change: Change) -> None:
        if held is None and fill.client_order_id not in self.disowned:
            self.strays.append(fill)
            return
        reason = self._contradiction(fill, held)
        if reason is not None or held is None:
            self._put_aside(fill, held, reason or "", change)
            return
        position = self._known.book(held.book, change)
        step = after_fill(held.status, held.order.quantity, held.filled + fill.quantity)
        change.book(held, fill, position, self._instruments[held.order.symbol], step)
        self._guarding.filled(held, parent, change)
        if held.filled + fill.quantity > held.order.quantity:
            over = f"order {held.order.order_id} was filled with {held.filled + fill.quantity} of {held.order.quantity}"
            change.writes.append(halt_symbol(held.order.symbol, over))
        if parent is not None:
            change.pass_on(parent, fill)

    def _put_aside(self, fill: Fill, held: Held | None, reason: str, change: Change) -> None:
        found = ids(held.order) if held else {"client_order_id": fill.client_order_id, "account_id": self._account.account_id}
        told = about("fill_quarantined", "failure", exec_key=fill.exec_key, **found)
        log.critical("fill %s of %s was not booked: %s", fill.exec_key, fill.client_order_id, reason, extra=told)
        change.writes += put_aside(self._account.venue, self._account.account_id, fill, reason)

    # --- what changes a book and is no trade

    def _adjust(self, adjustment: Adjustment | Repair, change: Change) -> None:
        if isinstance(adjustment, Repair):
            symbol = adjustment.difference.key
            book = self._known.book((EXTERNAL, symbol), change)
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
        change.adjust(self._account.account_id, adjustment, self._known.books(change), self._instruments)
        for id_, held in self._known.open.items():
            current = change.orders.get(id_, held)
            if current.order.symbol == action.symbol and current.status is Status.WORKING:
                self._parents.call_off(current, f"{action.kind} of {action.symbol}", self._known.unwanted, change)
