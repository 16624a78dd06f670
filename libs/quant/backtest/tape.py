"""The market a backtest runs over: what was recorded, as columns, and when each row was known."""

import hashlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

from libs.domain.actions import CorporateAction
from libs.domain.columns import Columns, QuoteBarColumns, QuoteColumns
from libs.domain.funding import FundingRate
from libs.domain.instruments import Instrument
from libs.domain.market import Quote, QuoteBar
from libs.domain.names import TIMEFRAMES
from libs.quant.adjustments import Adjustments
from libs.quant.fills import FillEvent, FillOn
from libs.quant.folds.fold import bar_of
from libs.quant.risk.view import Quoted
from libs.quant.risk.volume import DailyVolume

C = TypeVar("C", Columns, QuoteBarColumns, QuoteColumns)


@dataclass(frozen=True)
class Tape:
    """Everything of one stretch of one market. A bar is known at start + length + grace, a quote at its time."""

    instruments: Mapping[str, Instrument]
    bars: Mapping[str, Mapping[str, Columns]]  # by timeframe, then symbol: what strategies see
    fill_on: Mapping[str, FillOn]  # by symbol
    quote_bars: Mapping[str, QuoteBarColumns] = field(default_factory=dict)  # by symbol, of the finest timeframe
    quotes: Mapping[str, QuoteColumns] = field(default_factory=dict)  # by symbol
    actions: Sequence[CorporateAction] = ()
    since: int = 0  # market ns at which it begins: prices are on the scale of that moment
    grace_ns: int = 0  # of the bars: how long after its end a bar is known
    funding: Mapping[str, Sequence[FundingRate]] = field(default_factory=dict)  # by symbol, ascending: of perpetuals
    made: frozenset[str] = frozenset()  # timeframes whose bars were made from the finest ones

    @cached_property
    def timeframes(self) -> tuple[str, ...]:
        """Finest first."""
        return tuple(sorted(self.bars, key=TIMEFRAMES.__getitem__))

    @cached_property
    def adjustments(self) -> Adjustments:
        return Adjustments(self.actions, self.since)

    @property
    def late_ns(self) -> int:
        """From the start of a finest bar to the moment at which it is known."""
        return TIMEFRAMES[self.timeframes[0]] + self.grace_ns

    def columns(self, symbol: str) -> Columns | None:
        """The finest bars of a symbol."""
        return self.bars[self.timeframes[0]].get(symbol)

    def count(self, after: int = 0) -> int:
        """Bars of all timeframes and symbols that are known after `after`, market ns."""
        return sum(
            len(columns.start) - bisect_right(columns.start, after - TIMEFRAMES[timeframe] - self.grace_ns)
            for timeframe, by_symbol in self.bars.items()
            for columns in by_symbol.values()
        )

    def until(self, end: int) -> "Tape":
        """What was known by `end`, market ns, and nothing of what came later: for whoever must not see it."""

        def cut(columns: C, late: int) -> C:
            rows = bisect_right(columns[0], end - late)
            kept: Sequence[Any] = [column[:rows] for column in columns]
            return type(columns)(*kept)

        return replace(
            self,
            bars={
                timeframe: {s: c for s, columns in by_symbol.items() if (c := cut(columns, TIMEFRAMES[timeframe] + self.grace_ns)).start}
                for timeframe, by_symbol in self.bars.items()
            },
            quote_bars={symbol: cut(columns, self.late_ns) for symbol, columns in self.quote_bars.items()},
            quotes={symbol: cut(columns, 0) for symbol, columns in self.quotes.items()},
            actions=[action for action in self.actions if action.effective <= end],
            funding={symbol: [payment for payment in recorded if payment.at <= end] for symbol, recorded in self.funding.items()},
        )

    def last_known(self) -> int:
        """When the last bar is known; the beginning where there is none."""
        ends = [
            columns.start[-1] + TIMEFRAMES[timeframe] + self.grace_ns
            for timeframe, by_symbol in self.bars.items()
            for columns in by_symbol.values()
            if columns.start
        ]
        return max(ends, default=self.since)

    def ends(self) -> int:
        """When the last of anything is known: ticks may go on after the last bar."""
        return max((times[-1] + late for times, late in self.all_times if times), default=self.since)

    def mark(self, symbol: str, now: int) -> float | None:
        """Close of the newest finest bar known by `now`, in the units that hold then; None before the first."""
        columns = self.columns(symbol)
        row = -1 if columns is None else bisect_right(columns.start, now - self.late_ns) - 1
        if columns is None or row < 0:
            return None
        last = columns.start[row] + TIMEFRAMES[self.timeframes[0]] - 1
        return self.adjustments.carried(symbol, columns.close[row], last, now)

    def mark_before(self, symbol: str, now: int) -> float | None:
        """Close of the bar before that of the mark, in the units that hold at `now`; None where there is none."""
        columns = self.columns(symbol)
        row = -1 if columns is None else bisect_right(columns.start, now - self.late_ns) - 2
        if columns is None or row < 0:
            return None
        last = columns.start[row] + TIMEFRAMES[self.timeframes[0]] - 1
        return self.adjustments.carried(symbol, columns.close[row], last, now)

    def quoted(self, symbol: str, now: int) -> Quoted | None:
        """Bid and ask at which the newest quote bar known by `now` closed; None where the symbol has none."""
        columns = self.quote_bars.get(symbol)
        row = -1 if columns is None else bisect_right(columns.start, now - self.late_ns) - 1
        return None if columns is None or row < 0 else Quoted(columns.bid_close[row], columns.ask_close[row])

    def average_volume(self, symbol: str, now: int) -> float | None:
        """Units traded on an average one of the last days before that of `now`; None where that is not known."""
        if symbol not in self._volumes:
            columns = self.columns(symbol)
            self._volumes[symbol] = DailyVolume(zip(columns.start, columns.volume, strict=True) if columns is not None else ())
        return self._volumes[symbol].before(now - self.late_ns)

    @cached_property
    def _volumes(self) -> dict[str, DailyVolume]:
        return {}

    def fill_times(self, symbol: str) -> tuple[Sequence[int], int]:
        """Ascending times of the events a symbol fills on, and what to add for the time at which each is known."""
        match self.fill_on[symbol]:
            case "quote":
                return (self.quotes[symbol].ts if symbol in self.quotes else []), 0
            case "quote_bar":
                return (self.quote_bars[symbol].start if symbol in self.quote_bars else []), self.late_ns
            case "bar":
                columns = self.columns(symbol)
                return (columns.start if columns is not None else []), self.late_ns

    def next_fill_time(self, symbol: str, after: int) -> int | None:
        """When the next event that the symbol fills on is known; None when there is no more."""
        times, late = self.fill_times(symbol)
        row = bisect_right(times, after - late)
        return times[row] + late if row < len(times) else None

    def fill_events(self, symbol: str, known: int) -> Iterator[FillEvent]:
        """The events of a symbol that are known at exactly that time, in order."""
        times, late = self.fill_times(symbol)
        row = bisect_left(times, known - late)
        while row < len(times) and times[row] + late == known:
            yield self._event(symbol, row)
            row += 1

    def _event(self, symbol: str, row: int) -> FillEvent:
        kind = self.fill_on[symbol]
        if kind == "bar":
            return bar_of(symbol, self.timeframes[0], self.bars[self.timeframes[0]][symbol], row)
        if kind == "quote":
            ts, bid, ask, bid_size, ask_size = (column[row] for column in self.quotes[symbol])
            return Quote(venue="", symbol=symbol, seq=row + 1, ts=int(ts), bid=bid, ask=ask, bid_size=bid_size, ask_size=ask_size)
        columns = self.quote_bars[symbol]
        sides = {name: getattr(columns, name)[row] for name in QuoteBarColumns._fields[1:]}
        return QuoteBar(venue="", symbol=symbol, seq=row + 1, timeframe=self.timeframes[0], start=columns.start[row], **sides)

    def next_step(self, at: int) -> int | None:
        """The first time at or after `at` at which anything of the market is known; None after its end."""
        found = [self._first(times, late, at) for times, late in self.all_times]
        return min((time for time in found if time is not None), default=None)

    @staticmethod
    def _first(times: Sequence[int], late: int, at: int) -> int | None:
        row = bisect_left(times, at - late)
        return times[row] + late if row < len(times) else None

    @cached_property
    def kept(self) -> dict[str, Any]:
        """What whoever plays it has worked out of it and wants to find again, by a name of theirs."""
        return {}

    @cached_property
    def all_times(self) -> list[tuple[Sequence[int], int]]:
        """Times of everything there is, and what to add for the moment at which each is known."""
        bars: list[tuple[Sequence[int], int]] = [
            (columns.start, TIMEFRAMES[timeframe] + self.grace_ns)
            for timeframe, by_symbol in self.bars.items()
            for columns in by_symbol.values()
        ]
        bars += [(columns.start, self.late_ns) for columns in self.quote_bars.values()]
        return [*bars, *((columns.ts, 0) for columns in self.quotes.values())]

    def fingerprint(self) -> str:
        """Of everything that could change a result: equal tapes have equal ones, however they were read."""
        digest = hashlib.blake2b(digest_size=16)
        for timeframe in (timeframe for timeframe in self.timeframes if timeframe not in self.made):
            for symbol, columns in sorted(self.bars[timeframe].items()):
                _count(digest, f"bars|{timeframe}|{symbol}", columns)
        for symbol, quote_bars in sorted(self.quote_bars.items()):
            _count(digest, f"quote_bars|{symbol}", quote_bars)
        for symbol, quotes in sorted(self.quotes.items()):
            _count(digest, f"quotes|{symbol}", quotes)
        for part in (sorted(self.instruments.items()), sorted(self.fill_on.items()), list(self.actions), self.since, self.grace_ns):
            digest.update(repr(part).encode())
        if self.funding:
            digest.update(repr(sorted(self.funding.items())).encode())
        return digest.hexdigest()


def _count(digest: "hashlib.blake2b", name: str, columns: Columns | QuoteBarColumns | QuoteColumns) -> None:
    times, *values = columns
    digest.update(f"{name}|{len(times)}|".encode())
    digest.update(array("q", times).tobytes())
    for column in values:
        digest.update(array("d", column).tobytes())
