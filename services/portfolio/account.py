"""One account: looked at, valued, written down, shown."""

import logging
from collections.abc import Mapping, Sequence

from libs.common.clocks import HostClock
from libs.common.database import Database
from libs.common.envelope import Sealer
from libs.common.journal import Journal
from libs.domain.actions import happening
from libs.domain.booking import action_transaction
from libs.domain.instruments import Instrument
from libs.domain.names import TIMEFRAMES
from libs.quant.portfolio.figures import DayEnd, figures
from libs.quant.portfolio.fx import NoRate, Peg, rates
from libs.quant.portfolio.valuation import Worth, valued
from libs.store import actions, portfolio, sessions
from libs.store.portfolio import MarkRow, PortfolioStore, Terms
from libs.store.sessions import Session
from services.portfolio.follow import Follower, View
from services.portfolio.gauges import Gauges, count_slippage
from services.portfolio.pages import Pages, Valuation

log = logging.getLogger(__name__)


class AccountBook:
    """Values one account as often as it is asked to."""

    def __init__(
        self,
        account: Terms,
        follower: Follower,
        pages: Pages,
        journal: Journal,
        instruments: Mapping[str, Instrument],
        pegs: Sequence[Peg],
    ) -> None:
        self.account = account
        self.state = "its deposit is not booked yet"  # for people: what it is worth, or why that is not known
        self._follower = follower
        self._pages = pages
        self._journal = journal
        self._instruments = instruments
        self._pegs = pegs
        self._gauges = Gauges(account)
        self._last: Valuation | None = None

    async def mark(self, *, leaving: bool = False) -> None:
        """Values the account as the record has it now, and writes what is due. Nothing while it cannot be valued.

        Args:
            leaving: nothing more comes of this session or process; the day is written down as it stands.

        Raises:
            Unreachable, Rejected: the record cannot be read or written; what was due is due again.
        """
        view = await self._follower.look()
        if view is None:
            return
        count_slippage(view.fresh)
        if self._last is not None and self._last.day != view.day:
            self._follower.ended([DayEnd(name, self._last.day, f.total_pnl, f.day_return) for name, f in self._last.figures.items()])
        try:
            found = self._value(view)
        except NoRate as error:
            self.rests(str(error))
            return
        hop = self._pages.due(found, leaving=leaving)
        if hop.writes or hop.out:
            await self._journal.commit(hop)
        self._pages.written(found, hop)
        self._gauges.show(found)
        self._last = found
        self.state = f"{found.account.part.worth:.2f} {self.account.base_currency}"

    def rests(self, why: str, error: Exception | None = None) -> None:
        """It cannot be valued now: its figures are taken off, and that is said once for each reason."""
        if self.state != why:
            log.warning("%s cannot be valued: %s; its figures rest until then", self.account.account_id, why, exc_info=error)
        self.state = why
        self._gauges.clear()

    def close(self) -> None:
        """Its figures are nobody's any more."""
        self._gauges.clear()

    def _value(self, view: View) -> Valuation:
        """Raises NoRate: there is no rate for a currency in it."""
        books = view.books
        held = {holding.symbol: self._instruments[holding.symbol].currency for holding in view.holdings}
        currencies = {currency for _, currency in books.cash} | set(books.paid_in) | set(held.values())
        for activity in books.activities.values():
            currencies |= activity.values.keys() | activity.fees.keys()
        known = rates(currencies, self.account.base_currency, view.pairs, self._pegs, view.now)
        worth = valued(books.cash, books.paid_in, view.holdings, view.marks, self._instruments, known)
        peaks = {n: f.peak for n, f in self._last.figures.items()} if self._last else self._follower.peaks
        self._tell_unmarked(worth)
        return Valuation(
            now=view.now,
            day=view.day,
            marks=[MarkRow(s, view.marks[s].price, known[held[s]], view.marks[s].at) for s in sorted(held) if s in view.marks],
            figures=figures(worth, self._follower.before, peaks, books.activities, known),
            unmarked=worth.unmarked,
        )

    def _tell_unmarked(self, worth: Worth) -> None:
        before = self._last.unmarked if self._last else frozenset()
        for symbol in sorted(worth.unmarked - before):
            log.warning("%s holds %s, of which no price is known yet: it counts at cost", self.account.account_id, symbol)


async def opened(
    database: Database, journal: Journal, sealer: Sealer, host: HostClock, session: Session, pegs: Sequence[Peg]
) -> list[AccountBook]:
    """The accounts of a session, ready to be valued.

    Raises:
        Unreachable: the record cannot be read.
    """
    instruments = await sessions.instruments(database, session.venue)
    upcoming = happening(await actions.of_venue(database, session.venue), session.start_time, session.fills["on"])
    found = []
    for terms in await portfolio.terms(database, session.session_id):
        booked_as = [action_transaction(terms.account_id, action) for action in upcoming]
        store = PortfolioStore(database, terms, session, TIMEFRAMES[session.timeframes[0]], booked_as)
        pages = Pages(terms, sealer, host, lockstep=session.lockstep)
        found.append(AccountBook(terms, Follower(store, terms, instruments, upcoming), pages, journal, instruments, pegs))
    return found
