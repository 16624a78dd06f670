"""What leaves for the venue: approved orders that may go, and requests to end those that should not be there."""

from decimal import Decimal
from typing import Final, Protocol
from uuid import UUID

from libs.common.clocks import HostClock, MarketClock
from libs.common.leases import Lease
from libs.domain.orders import AT_VENUE, TERMINAL, Intent, Status, Step, intend
from libs.quant.dispatch import DENIED, SLOTS, Fate, fates
from libs.quant.execution.protection import Standing
from libs.store.execution import Snapshot
from libs.store.sessions import Session
from libs.venues.broker import Abilities, Link
from services.trade_executor.cancelling import CancelPace
from services.trade_executor.gate import Gate
from services.trade_executor.guarding import Guarding
from services.trade_executor.hop import Change, Held
from services.trade_executor.known import Known
from services.trade_executor.last_look import LastLook
from services.trade_executor.parents import Parents
from services.trade_executor.quotes import Quotes
from services.trade_executor.silence import Silence

UNDECIDED: Final = "; record and venue differ, and nothing that adds to a book is sent before somebody decides (`fleet doctor`)"

SILENT: Final = "; the market says nothing of its symbol any more (RC-C03)"


class Venue(Protocol):
    """What has to be known of the broker, which is never asked anything here."""

    abilities: Abilities

    def link(self) -> Link: ...


class Dispatch:
    """Of one account. It decides; what it decided leaves once that is committed."""

    def __init__(
        self,
        known: Known,
        guarding: Guarding,
        parents: Parents,
        gate: Gate,
        last_look: LastLook,
        quotes: Quotes,
        silence: Silence,
        pace: CancelPace,
        lease: Lease,
        market: MarketClock,
        host: HostClock,
        *,
        session: Session,
        venue: Venue,
    ) -> None:
        self._known = known
        self._guarding = guarding
        self._parents = parents
        self._gate = gate
        self._last_look = last_look
        self._quotes = quotes
        self._silence = silence
        self._pace = pace  # of cancels, as they are sent
        self._lease = lease
        self._market = market
        self._host = host
        self._lockstep = session.lockstep
        self._venue = venue
        self._withdrawn: set[UUID] = set()  # orders that must not rest any more, by the account's own policy
        self.armed = False  # nothing is sent before the record has been compared with the venue

    # --- what is to end

    def withdraw(self) -> None:
        """The venue was away, and the account keeps no orders then: all that are there are to end, but for those that only reduce."""
        self._withdrawn |= {id_ for id_, held in self._known.open.items() if held.status in AT_VENUE and not held.order.reduce_only}

    def overdue(self) -> bool:
        """Whether an order rests beyond its time at a venue that does not end it by itself, or a slice is due: a hop will see to it."""
        open_ = self._known.open
        return any(self._is_overdue(held) for held in open_.values()) or self._parents.due(open_, self._market.now())

    def _is_overdue(self, held: Held) -> bool:
        now = self._market.supposed() if self._market.stale() else self._market.now()  # it rests at a market that goes on without us
        return not self._venue.abilities.good_till_date and held.status in (Status.ACKED, Status.PARTIAL) and now >= held.order.expires_at

    def cancel_unwanted(self, change: Change) -> None:
        """Asks for the end of orders that are known to be alive and should not be: again, when a look-up found them so."""
        self._withdrawn &= self._known.open.keys()
        for id_, held in self._known.open.items():
            held = change.orders.get(id_, held)
            if (why := self._unwanted(held)) and self._pace.free(id_, self._host.monotonic()):
                change.step(held, "cancel", Step(intend(held.status, Intent.CANCEL), anomaly=False), why)
                change.cancels.append(held.order)

    def _unwanted(self, held: Held) -> str:
        """Why an order that is there should not be; "" when it may be."""
        if held.status not in (Status.ACKED, Status.PARTIAL):
            return ""
        if stopped := self._gate.ends(held):
            return stopped
        if self._is_overdue(held):
            return "its time is over"
        if held.order.order_id in self._withdrawn:
            return "its venue was away"
        return "it is still there" if held.order.order_id in self._known.unwanted else ""

    # --- what is sent

    def send(self, snapshot: Snapshot, change: Change) -> None:
        """The fate of each order that is approved or worked, by what the hop has believed; then protection."""
        current = {id_: held for id_, held in self._known.now(change).items() if held.status not in TERMINAL}
        standings = [Standing(h.order, h.status, h.filled) for h in current.values()]
        self.armed = self.armed and self._venue.link().up  # what happened meanwhile is looked at before anything is sent again
        reaches = self._lease.held() and self._venue.link().up
        may_send = self.armed and reaches and not (self._market.stale() and not self._lockstep)
        yielding: dict[tuple[str, str], Decimal] = {}
        found = fates(
            standings,
            self._gate.kills,
            self._gate.accounts,
            change.market_time,
            SLOTS if may_send else 0,
            books=self._gate.books,
            halted=snapshot.halted,
            unreconciled=snapshot.unreconciled or bool(self._gate.unfit),
            silent=(silent := self._silence.among(standings, change.market_time)),
        )
        for order, fate in found:
            held = current[order.order_id]
            why = self._last_look.denied(order, standings, self._gate.books, snapshot.equity) if fate in ("send", "work") else ""
            if why:
                change.step(held, "deny", Step(intend(held.status, Intent.DENY), anomaly=False), why)
            elif fate == "yield":
                yielding[held.book] = yielding.get(held.book, Decimal(0)) + order.quantity
            else:
                self._meet(held, fate, change, unreconciled=snapshot.unreconciled, silent=order.symbol in silent)
        if reaches:
            books = self._known.books(change)
            self._guarding.act(change, self._known.open, books, yielding, self._gate.clears_books, self._host)

    def _meet(self, held: Held, fate: Fate, change: Change, *, unreconciled: bool, silent: bool) -> None:
        if fate == "send":
            change.step(held, "submit", Step(intend(held.status, Intent.SUBMIT), anomaly=False), self._last_look.stamp)
            change.sends.append(held)
            if (price := self._quotes.price(held.order.symbol)) is not None:
                change.arrivals[held.order.order_id] = price
        elif fate == "work":
            self._parents.begin(held, change)
        elif fate == "stop":
            self._parents.call_off(held, "RC-C01: kill switch", self._known.unwanted, change)
        elif fate == "expire":
            unfit = "".join(f"; {reason.text} ({reason.code})" for reason in self._gate.unfit) + (SILENT if silent else "")
            why = "never sent: too late" + (UNDECIDED if unreconciled else unfit)
            change.step(held, "expire", Step(intend(held.status, Intent.EXPIRE_UNSENT), anomaly=False), why)
        elif fate in DENIED:
            change.step(held, "deny", Step(intend(held.status, Intent.DENY), anomaly=False), DENIED[fate])
