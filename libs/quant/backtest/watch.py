"""An account's loss limits over a tape, as risk_manager looks at them in lockstep: at each time at which a bar is known.

Between two moments that the desk visits, books and cash stand still: the equity follows the closes of what is held. Most
such stretches are too quiet for a halt, which their lowest and highest closes show without looking at every bar.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from math import inf
from typing import Final, NamedTuple

from libs.domain.columns import Columns
from libs.domain.configuration import LOSS_LIMITS
from libs.domain.losses import LossLimits
from libs.domain.names import TIMEFRAMES
from libs.quant.backtest.setup import Setup
from libs.quant.backtest.tape import Tape
from libs.quant.risk.halts import as_of_day, evaluate
from libs.quant.risk.view import money, units
from libs.quant.trading_day import trading_day_of

_ROUNDING: Final = 1e-9  # of all amounts added up: more than float64 can lose on them

Cash = Mapping[str, Decimal]
Lots = Mapping[tuple[str, str], int]
"""By (strategy, symbol)."""


class _Book(NamedTuple):
    symbol: str
    lots: int
    units: float  # what a price is multiplied by for the worth of a lot


class LossWatch:
    """What is looked at is told by whoever holds the books; what is found stands in `state`."""

    def __init__(self, tape: Tape, setup: Setup, limits: LossLimits, later: Iterable[LossLimits] = (), *, peak: bool = False) -> None:
        """
        Args:
            later: limits that `limit_by` will be told of.
            peak: whether the highest equity is asked for, with or without a limit.
        """
        self._peak = peak
        self._tape = tape
        self._base_currency = setup.base_currency
        self._day_starts_at, self._day_tz = setup.day_starts_at, setup.day_tz
        self._limits = limits
        self._ever = {name for each in (limits, *later) for name, most in zip(LOSS_LIMITS, each, strict=True) if most is not None}
        begins = setup.begins(tape.since)
        self._day = trading_day_of(begins, setup.day_starts_at, setup.day_tz)
        self.state, _ = evaluate(None, begins, float(setup.deposit), limits, self._day.start)
        self._seen_to = begins

    def at(self, now: int, cash: Cash, lots: Lots) -> None:
        """Looks once, at what is held now."""
        self._seen_to = max(self._seen_to, now)
        if self._nothing_left():
            return
        try:
            total = money(cash, self._base_currency)
            for symbol, held, unit in self._books(lots):
                total += held * (unit * self._mark(symbol, now))
        except LookupError:
            return  # without a price nothing is known of a loss, and every order is refused (RC-ERR)
        self._look(now, total)

    def until(self, until: int, cash: Cash, lots: Lots) -> None:
        """Looks whenever a bar of what is held is known, after the last look and up to `until`."""
        begin, self._seen_to = self._seen_to, max(self._seen_to, until)
        while begin < until and lots and not self._nothing_left():
            end = min(until, self._day_of(begin + 1) - 1)
            self._stretch(begin, end, cash, lots)
            begin = end

    def limit_by(self, limits: LossLimits) -> None:
        """Other limits hold from the next look on."""
        self._limits = limits

    def _nothing_left(self) -> bool:
        """Whether every limit there is or will be has been passed over, and nobody asks for the peak."""
        return not self._peak and self._ever <= {halt.limit for halt in self.state.halts}

    def _day_of(self, now: int) -> int:
        """When the trading day of `now` ends."""
        if now >= self._day.end:
            self._day = trading_day_of(now, self._day_starts_at, self._day_tz)
        return self._day.end

    def _look(self, now: int, equity: float) -> None:
        self._day_of(now)
        self.state, _ = evaluate(self.state, now, equity, self._limits, self._day.start)

    # --- within one trading day

    def _stretch(self, begin: int, end: int, cash: Cash, lots: Lots) -> None:
        """Bars known after `begin` and by `end`, both of one trading day."""
        rows = self._rows(lots, begin, end)
        if not rows:
            return
        try:
            known = money(cash, self._base_currency)
            marks = {symbol: self._mark(symbol, begin) for _, symbol in lots}
        except LookupError:
            for now, _, _ in self._bars(rows):
                self.at(now, cash, lots)
            return
        self.state = as_of_day(self.state, self._day.start)
        books = self._books(lots)
        if not self._quiet(known, books, marks, rows):
            self._walk(known, books, marks, rows)

    def _rows(self, lots: Lots, begin: int, end: int) -> dict[str, slice]:
        """The finest bars of what is held that are known after `begin` and by `end`, where there are any."""
        late, found = self._tape.late_ns, {}
        for symbol in {symbol for _, symbol in lots}:
            columns = self._tape.columns(symbol)
            if columns is not None:
                first, last = bisect_right(columns.start, begin - late), bisect_right(columns.start, end - late)
                if first < last:
                    found[symbol] = slice(first, last)
        return found

    def _quiet(self, known: float, books: Sequence[_Book], marks: Mapping[str, float], rows: Mapping[str, slice]) -> bool:
        """Whether nothing within the stretch can be a halt; then what it leaves behind is looked at, and nothing else.

        The highest equity on the way must be known too: it is, with one book, or when all of the highest closes together
        make no new peak.
        """
        low = high = known
        amounts, ends = abs(known), dict(marks)
        for symbol, held, unit in books:
            worths = [held * (unit * marks[symbol])]
            if symbol in rows:
                if self._tape.adjustments.changes(symbol):
                    return False
                closes = self._columns(symbol).close[rows[symbol]]
                ends[symbol] = closes[-1]
                worths += [held * (unit * min(closes)), held * (unit * max(closes))]
            low, high, amounts = low + min(worths), high + max(worths), amounts + max(map(abs, worths))
        peak = max(self.state.peak_equity, high)
        if (peak > self.state.peak_equity and len(books) > 1) or low - _ROUNDING * amounts <= self._alarm(peak):
            return False
        self.state = self.state._replace(peak_equity=peak)
        equity = known
        for symbol, held, unit in books:
            equity += held * (unit * ends[symbol])
        self._look(max(self._columns(symbol).start[there.stop - 1] for symbol, there in rows.items()) + self._tape.late_ns, equity)
        return True

    def _walk(self, known: float, books: Sequence[_Book], marks: Mapping[str, float], rows: Mapping[str, slice]) -> None:
        """Looks at every bar, closely where the equity comes near a limit."""
        of_symbol: defaultdict[str, list[int]] = defaultdict(list)
        for n, book in enumerate(books):
            of_symbol[book.symbol].append(n)
        worths = [held * (unit * marks[symbol]) for symbol, held, unit in books]
        bars = self._bars(rows)
        state = self.state
        peak, alarm, equity = state.peak_equity, self._alarm(state.peak_equity), state.equity
        for n, (now, symbol, close) in enumerate(bars, 1):
            for at in of_symbol[symbol]:
                worths[at] = books[at].lots * (books[at].units * close)
            if n < len(bars) and bars[n][0] == now:
                continue
            equity = known
            for worth in worths:
                equity += worth
            if equity > peak:
                peak, alarm = equity, self._alarm(equity)
            if equity <= alarm:
                self.state = self.state._replace(peak_equity=peak)
                self._look(now, equity)
                if self._nothing_left():
                    return
                alarm = self._alarm(peak)
        self.state = self.state._replace(peak_equity=peak)
        self._look(bars[-1][0], equity)

    def _bars(self, rows: Mapping[str, slice]) -> list[tuple[int, str, float]]:
        """(when known, symbol, close in the units of that moment), in order."""
        late, length = self._tape.late_ns, TIMEFRAMES[self._tape.timeframes[0]]
        bars = []
        for symbol, there in rows.items():
            columns, carried = self._columns(symbol), self._tape.adjustments.carried
            for start, close in zip(columns.start[there], columns.close[there], strict=True):
                bars.append((start + late, symbol, carried(symbol, close, start + length - 1, start + late)))
        bars.sort()
        return bars

    def _alarm(self, peak: float) -> float:
        """An equity at or below which a limit may be passed over, and above which it is not."""
        halted = {halt.limit for halt in self.state.halts}
        measured = (
            ("max_daily_loss", self.state.day_equity, self._limits.max_daily_loss),
            ("max_drawdown", peak, self._limits.max_drawdown),
        )
        alarms = (
            reference * (1 - most + _ROUNDING) if reference > 0 else inf
            for name, reference, most in measured
            if most is not None and name not in halted
        )
        return max(alarms, default=-inf)

    def _columns(self, symbol: str) -> Columns:
        columns = self._tape.columns(symbol)
        assert columns is not None, f"rows of {symbol} came from somewhere"
        return columns

    def _mark(self, symbol: str, now: int) -> float:
        mark = self._tape.mark(symbol, now)
        if mark is None:
            raise LookupError(f"a position in {symbol} and no price of it")
        return mark

    def _books(self, lots: Lots) -> list[_Book]:
        """In the order in which `View.equity` adds them up: the sum must be the same to the last digit."""
        return [_Book(symbol, held, units(self._tape.instruments[symbol])) for (_, symbol), held in sorted(lots.items()) if held]
