"""Follows one account through the record: rows become books, marks and fills; each day begins with what is known of those before."""

import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from libs.domain.actions import CorporateAction
from libs.domain.booking import action_transaction
from libs.domain.instruments import Instrument
from libs.quant.portfolio.activity import Filled
from libs.quant.portfolio.books import Books, Line, continued, opened
from libs.quant.portfolio.figures import Before, DayEnd, before_today
from libs.quant.portfolio.marks import Mark, in_held_units, price_of
from libs.quant.portfolio.valuation import Holding
from libs.quant.trading_day import TradingDay, trading_day_of
from libs.store.portfolio import PortfolioStore, Snapshot, Terms, TradeRow

log = logging.getLogger(__name__)


class View(NamedTuple):
    """One account as of one moment of the record."""

    now: int  # market ns
    day: TradingDay
    books: Books
    holdings: Sequence[Holding]
    marks: Mapping[str, Mark]  # in the units held
    pairs: Mapping[str, Mark]  # as quoted; the same symbols and more
    fresh: Sequence[Filled]  # booked since the view before


class Follower:
    """One account. Nothing is read twice that the last look has already added up."""

    def __init__(
        self, store: PortfolioStore, account: Terms, instruments: Mapping[str, Instrument], actions: Sequence[CorporateAction]
    ) -> None:
        """`actions`: those of the account's timeline, by the time from which they hold."""
        self._store = store
        self._account = account
        self._instruments = instruments
        self._calendars = frozenset(i.calendar for i in instruments.values())
        self._actions = actions
        self._keys = {action_transaction(account.account_id, action): action.key for action in actions}
        self._after: int | None = None  # last trade message that is in the books
        self._books: Books | None = None
        self._day: TradingDay | None = None
        self._ends: dict[tuple[int, str], DayEnd] = {}  # by start of the day and strategy: one that is told again counts once
        self.before: Mapping[str, Before] = {}  # of the day that the last view is in
        self.peaks: dict[str, Decimal] = {}  # on record when the day, or the process, began

    async def look(self) -> View | None:
        """The account now; None until its deposit is booked.

        Raises:
            Unreachable, Rejected: as reading does; the next look takes up where the last one ended.
        """
        snapshot = await self._store.read(self._after)
        if not snapshot.balances:
            return None
        day = trading_day_of(snapshot.now, self._account.day_starts_at, self._account.day_tz)
        if day != self._day:
            await self._take_up(day)
        books = self._books if day == self._day else None
        grown = None if books is None else continued(books, *self._moves(snapshot, snapshot.fresh, day))
        if grown is None:
            snapshot = await self._store.read_all(self._after, day.start)
            grown = opened(*self._moves(snapshot, snapshot.day, day))
            if grown.unexplained:
                log.error("%s: cash balances differ from the ledger by %s", self._account.account_id, grown.unexplained)
        self._after, self._books, self._day = snapshot.trade_no, grown, day
        return self._view(snapshot, day, grown)

    def ended(self, ends: Sequence[DayEnd]) -> None:
        """A day is over: how it ended is what the next one begins with."""
        self._ends |= {(end.day.start, end.strategy_id): end for end in ends}
        self.before = before_today(self._ends.values(), self._calendars)

    async def _take_up(self, day: TradingDay) -> None:
        """What the record knows of earlier days. Of a day that was seen to its end `ended` knows better."""
        terms = self._account
        rows = await self._store.ends(day.date)
        self.peaks = await self._store.peaks()
        self.ended(
            [DayEnd(name, trading_day_of(at, terms.day_starts_at, terms.day_tz), pnl, day_return) for name, at, pnl, day_return in rows]
        )

    def _view(self, snapshot: Snapshot, day: TradingDay, books: Books) -> View:
        pairs = {row.symbol: Mark(price, row.at) for row in (*snapshot.bars, *snapshot.ticks) if (price := price_of(*row[1:4])) is not None}
        return View(
            now=snapshot.now,
            day=day,
            books=books,
            holdings=[Holding(*row) for row in snapshot.positions],
            marks=in_held_units(pairs, self._actions, books.booked),
            pairs=pairs,
            fresh=self._fills(snapshot.fresh),
        )

    def _moves(
        self, snapshot: Snapshot, fills: Sequence[TradeRow], day: TradingDay
    ) -> tuple[list[Line], list[Filled], dict[str, Decimal], list[str]]:
        """What the books grow by: lines, fills of the day (the record may know of one before its clock says so), and what to
        check them with."""
        of_day = [fill for fill in self._fills(fills) if day.start <= fill.executed_at < day.end]
        booked = [self._keys[transaction] for transaction in snapshot.booked]
        return [Line(*row) for row in snapshot.lines], of_day, dict(snapshot.balances), booked

    def _fills(self, rows: Sequence[TradeRow]) -> list[Filled]:
        return [self._fill(row) for row in rows]

    def _fill(self, row: TradeRow) -> Filled:
        instrument = self._instruments[row.symbol]
        return Filled(
            strategy_id=row.strategy_id,
            side=row.side,
            price=row.price,
            value=row.quantity * row.price * instrument.multiplier,
            currency=instrument.currency,
            fee=row.fee,
            fee_currency=row.fee_currency,
            pnl=row.pnl,
            executed_at=row.executed_at,
            reference=row.reference,
        )
