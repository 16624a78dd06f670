"""What an account may not send: looked at with every decision, and once more directly before an order's first byte leaves."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Final

from libs.common.clocks import HostClock
from libs.common.logs import about
from libs.common.within import within
from libs.domain.books import Position
from libs.domain.guards import TOLD_ELSEWHERE, Reason
from libs.domain.kill import FileKill, Kills, Mode, applying, kills_of, merged, named, over_account, written
from libs.domain.orders import AT_VENUE, Order
from libs.quant.dispatch import ended_by
from libs.store.sessions import Account
from libs.venues.broker import NotSent, held_back
from services.trade_executor.hop import Held

log = logging.getLogger(__name__)

FRESH_S: Final = 0.25
"""No order leaves later than this after a kill is committed. So it leaves only while it is known, from a look no older, that there
was none: from the transaction that made it SUBMITTING, or from the watch over the record. Without a look nothing leaves."""


class Gate:
    """One account. Of the record it believes the newest look, whoever made it; of the file, until the record says the same."""

    def __init__(self, account: Account, clock: HostClock) -> None:
        self.accounts = (account.account_id, account.name)
        self.asked_at = float("-inf")  # host monotonic, of the newest look at the record
        self.kills: Mapping[tuple[str, str], Mode] = {}
        self.pending: list[FileKill] = []  # of the file, and not on record yet: held even when the file is taken away
        self.books: Mapping[tuple[str, str], Decimal] = {}
        self.disarmed: Sequence[Reason] = ()  # by the state of the system: what adds to a book waits
        self.changed: Callable[[], None] = lambda: None  # called when anything has become different
        self._clock = clock
        self._record: Kills = {}
        self._file: Kills = {}
        self._cleared: dict[object, float] = {}  # when orders about to be sent were known not to be stopped
        self._exits = False  # whether a liquidation order may be at the venue
        self._looked = asyncio.Event()

    def learn(self, killed: Iterable[tuple[str, str, Mode]], asked_at: float) -> None:
        """The record, as a look begun at `asked_at` found it."""
        if asked_at < self.asked_at:
            return
        self.asked_at = asked_at
        self._record = {(scope, key): mode for scope, key, mode in killed}
        self.pending = [kill for kill in self.pending if not self.recorded(kill)]
        self._looked.set()
        self._looked = asyncio.Event()
        self._put_together()

    def obey(self, file: Iterable[FileKill]) -> None:
        """The kill file as it is now."""
        kills = list(file)
        self._file = kills_of(kills)
        self.pending = [*(old for old in self.pending if old not in kills), *(kill for kill in kills if not self.recorded(kill))]
        self._put_together()

    def disarm(self, reasons: Sequence[Reason]) -> None:
        """Why the system itself is not fit to send what adds to a book; nothing when it is."""
        before, self.disarmed = self.disarmed, reasons
        if [reason.key for reason in before] != [reason.key for reason in reasons]:
            self.changed()

    @property
    def unfit(self) -> Sequence[Reason]:
        """Why the system is not fit. That the venue is away, or differs, is obeyed where it is known first."""
        return [reason for reason in self.disarmed if reason.key not in TOLD_ELSEWHERE]

    def recorded(self, kill: FileKill) -> bool:
        """Whether the record stops as much as a line of the file."""
        recorded = self._record.get((kill.scope, kill.key))
        return recorded is not None and merged({(kill.scope, kill.key): recorded}, kills_of([kill])) == {(kill.scope, kill.key): recorded}

    def _put_together(self) -> None:
        before, self.kills = self.kills, merged(self._record, self._file, kills_of(self.pending))
        if self.kills != before:
            now = ", ".join(f"{named(*scope)} ({written(mode)})" for scope, mode in self.kills.items())
            log.warning("kill switch of %s: %s", self.accounts[0], now or "off", extra=about("kill_switch_seen", "success"))
            self.changed()

    def see(self, positions: Mapping[tuple[str, str], Position], open_: Iterable[Held]) -> None:
        """The books and the open orders as they are decided on."""
        self.books = {book: position.quantity for book, position in positions.items()}
        self._exits = bool(self.kills) and any(h.order.purpose == "liquidation" and h.status in AT_VENUE for h in open_)

    def ends(self, held: Held) -> str:
        """Why a kill switch wants an open order gone; "" when none does."""
        hit = applying(self.kills, self.accounts, held.order.strategy_id, held.order.symbol)
        if hit is None or not ended_by(held.order, hit[1], self.books.get(held.book, Decimal(0)), held.filled):
            return ""
        return f"kill switch: {hit[0]}, {written(hit[1])}"

    def clears_books(self, order: Order) -> bool:
        """Whether nothing of the order's book may stand at the venue, protection neither."""
        hit = applying(self.kills, self.accounts, order.strategy_id, order.symbol)
        return hit is not None and hit[1] in ("halt", "flatten")

    @property
    def whole(self) -> Mode | None:
        """How everything of the account is stopped; None when at most a part of it is."""
        return over_account(self.kills, self.accounts)

    @property
    def ends_all(self) -> bool:
        """Whether every order that is open at the venue is to end, so that one request may end them all."""
        return self.whole == "halt" or (self.whole == "flatten" and not self._exits)

    # --- before the wire

    def cleared(self, orders: Iterable[Held], at: float) -> None:
        """The transaction that begun at `at` has made these SUBMITTING: no kill of theirs was committed before it."""
        now = self._clock.monotonic()
        self._cleared = {id_: since for id_, since in self._cleared.items() if now - since < FRESH_S}
        self._cleared |= {held.order.order_id: at for held in orders}

    def hold(self, order: Order) -> str:
        """See `Broker.hold`."""
        hit = applying(self.kills, self.accounts, order.strategy_id, order.symbol)
        if hit is not None and ended_by(order, hit[1], self.books.get((order.strategy_id, order.symbol), Decimal(0))):
            return f"the kill switch of {hit[0]} is on ({written(hit[1])})"
        age = self._age(order)
        return f"whether a kill switch is on was last known {age:.2f} s ago" if age > FRESH_S else ""

    async def known(self, orders: Sequence[Order], deadline: float) -> None:
        """Waits until it is known anew whether the orders of a request may leave, where the last look is too old.

        Raises:
            NotSent: one may not, or nobody knows.
        """
        while self.too_old(orders) and (left := deadline - self._clock.monotonic()) > 0:
            with suppress(TimeoutError):
                await within(left, self._looked.wait())
        if why := held_back(self.hold, orders):
            raise NotSent(why)

    def too_old(self, orders: Iterable[Order]) -> bool:
        """Whether the last look is too old for one of these to leave."""
        return max(map(self._age, orders)) > FRESH_S

    def _age(self, order: Order) -> float:
        return self._clock.monotonic() - max(self.asked_at, self._cleared.get(order.order_id, float("-inf")))
