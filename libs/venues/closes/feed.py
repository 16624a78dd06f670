"""The default market: real daily closes of five stocks, the way between them simulated, and one invented BTC/USD around them."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from math import log
from pathlib import Path
from statistics import pstdev
from typing import Final

from libs.domain.actions import CorporateAction
from libs.domain.instruments import Instrument
from libs.domain.times import SECOND
from libs.quant.bars import BarsOf
from libs.quant.calendars import DAY, Session, sessions
from libs.quant.fills import FillOn
from libs.venues.closes import path
from libs.venues.closes.table import Closes, ClosesNotFound, closes
from libs.venues.feed import FeedStep
from libs.venues.synthetic.feed import BITCOIN, instrument, stock
from libs.venues.synthetic.process import Symbol
from libs.venues.synthetic.process import level as invented
from libs.venues.synthetic.ticks import MINUTE, ticks
from libs.venues.timeline import Placed, steps_of

FIRST: Final = date(2021, 1, 4)
"""The trading day on which a session begins."""

_HOURS: Final = "us_equity"
_BEFORE: Final = date(2020, 11, 1)  # closes from here on give the first days their volatility
_LOOK_BACK: Final = 21  # days
_BITCOIN_BASE: Final = 32_000.0  # about what it cost then
_TRADES: Final = 60  # of a symbol and minute; twice as many quotes


_STOCKS: Final = tuple(stock(name, most_spread=1) for name in ("AAPL", "JPM", "KO", "MSFT", "XOM"))  # a cent, as they have


class ClosesFeed:
    """Two years of closes. The same seed gives the same ticks, always; every seed the same closes."""

    def __init__(self, seed: int, file: Path | None = None) -> None:
        """Reads the closes: of the installed package, unless a file is named.

        Raises:
            ClosesNotFound: they are not there, or not what they should be.
        """
        self._symbols = (*_STOCKS, BITCOIN)
        self._venue = f"CLOSES-{seed}"
        self.name: str = "closes"
        self.seed: int = seed
        table = closes([stock.name for stock in _STOCKS], _BEFORE, file)
        self.sessions: Sequence[Session] = _sessions(table)
        self._days = {stock.name: _days(table, stock.name, self.sessions) for stock in _STOCKS}
        self.instruments: Sequence[Instrument] = tuple(instrument(symbol, self._venue) for symbol in self._symbols)
        self.timeframes: tuple[str, ...] = ("1s", "1m")
        self.recorded_bars: bool = False
        self.live: bool = False
        self.bars_of: Mapping[str, BarsOf] = {symbol.name: "trade" for symbol in self._symbols}
        self.fill_on: Mapping[str, FillOn] = {symbol.name: "quote" for symbol in self._symbols}
        self.actions: Sequence[CorporateAction] = ()  # they are in the closes already
        self.years: str = f"{self.sessions[0].date.year}-{self.sessions[-1].date.year}"
        self.start: int = self.sessions[0].open
        self.speed: float = 10

    def timeline(self, after: int) -> Iterator[FeedStep]:
        """The steps later than `after`, to the last close there is. Resuming draws again only the minute that `after` lies in."""
        number = 0
        for day, session in enumerate(self.sessions):
            length = (session.close - session.open) // MINUTE
            for minute in range(max(0, (after - session.open) // MINUTE), length):
                for step in steps_of([self._minute(symbol, day, minute, length, number + minute) for symbol in self._symbols]):
                    if step.time > after:
                        yield step
            number += length

    def _minute(self, symbol: Symbol, day: int, minute: int, length: int, number: int) -> Iterator[Placed]:
        start = self.sessions[day].open + minute * MINUTE
        levels = self._level(symbol, day, minute, length), self._level(symbol, day, minute + 1, length)
        return ticks(self.seed, self._venue, symbol, _TRADES, number, start, levels)

    def _level(self, symbol: Symbol, day: int, minute: int, length: int) -> float:
        """The price at the start of a minute of a day."""
        if symbol is BITCOIN:
            return invented(self.seed, symbol, _BITCOIN_BASE, self.sessions[day].open // MINUTE + minute)
        return path.level(self.seed, symbol.name, self._days[symbol.name][day], minute, length)

    async def steps(self, after: int) -> AsyncIterator[FeedStep]:
        """`timeline` for the collector."""
        for step in self.timeline(after):
            yield step


def _sessions(table: Closes) -> list[Session]:
    """The trading days from the first on, with the exchange's hours."""
    midnight = datetime.combine(FIRST, time(), UTC)
    start, days = int(midnight.timestamp()) * SECOND, (table.dates[-1] - FIRST).days + 1
    known = set(table.dates)
    return [session for session in sessions(_HOURS, start, start + days * DAY) if session.date in known]


def _days(table: Closes, symbol: str, played: Sequence[Session]) -> list[path.Day]:
    """What each day is made of; its volatility from the returns of the closes before it."""
    prices = table.of[symbol]
    row = {on: n for n, on in enumerate(table.dates)}
    found = []
    for number, session in enumerate(played):
        n = row[session.date]
        if n <= _LOOK_BACK:
            raise ClosesNotFound(f"{symbol}: expected {_LOOK_BACK + 1} closes before {session.date}, got {n}")
        returns = [log(prices[at] / prices[at - 1]) for at in range(n - _LOOK_BACK, n)]
        found.append(path.Day(number, prices[n - 1], prices[n], pstdev(returns)))
    return found
