"""Quotes and trades as Alpaca tells them, made one ascending timeline. Pure."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import Final, Literal, NamedTuple

import msgspec

from libs.domain.market import BadRow, MarketEvent, Quote, TradeTick
from libs.domain.times import SECOND
from libs.venues.alpaca.wire import Unreadable, read, time_ns
from libs.venues.feed import FeedStep

Kind = Literal["q", "t"]
KINDS: Final[tuple[Kind, ...]] = ("q", "t")
LATELY_NS: Final = 60 * SECOND  # market time


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One element of a frame, or of a page: a quote, a trade, or a word about the connection."""

    kind: str = msgspec.field(name="T", default="")
    symbol: str = msgspec.field(name="S", default="")
    t: str | None = None
    p: float | None = None
    s: float | None = None
    i: int | str | None = None  # of a trade, unique per exchange and day
    x: str | None = None
    bp: float | None = None
    bs: float | None = None
    ap: float | None = None
    ask_size: float | None = msgspec.field(name="as", default=None)
    msg: str = ""
    code: int | None = None
    trades: list[str] | None = None  # of a subscription
    quotes: list[str] | None = None


class Tick(NamedTuple):
    """A quote (bid, ask, bid size, ask size) or a trade (price, size)."""

    time: int
    kind: Kind
    symbol: str
    values: tuple[float, ...]
    name: str  # what tells it from another of its moment


def tick_of(told: Told, kind: Kind, symbol: str) -> Tick | None:
    """The tick; None for a quote of which one side is empty, which Alpaca writes as 0.

    Raises:
        Unreadable: a number or the time is missing.
    """
    numbers = (told.bp, told.ap, told.bs, told.ask_size) if kind == "q" else (told.p, told.s)
    values = tuple(number for number in numbers if number is not None)
    if len(values) < len(numbers):
        raise Unreadable(f"expected {'bp, ap, bs, as' if kind == 'q' else 'p, s'} of {symbol}, got {numbers}")
    if kind == "q" and 0 in values[:2]:
        return None
    name = f"{told.x}:{told.i}" if kind == "t" and told.i is not None else ""
    return Tick(time_ns(told.t, "t"), kind, symbol, values, name)


class Timeline:
    """What came, in order and once.

    Of a symbol and kind nothing goes back in time: what comes late (after newer ones of its own) is dropped and counted,
    as a quote that is overtaken is no news, and a trade that is overtaken has missed its bar. What comes at the newest
    moment of its own and was there already is a repetition. Between symbols nothing is dropped: what was overtaken by
    another symbol keeps its time, in a step of the moment at which it became known.
    """

    def __init__(self, venue: str, after: int) -> None:
        self._venue = venue
        self._newest: dict[tuple[str, Kind], tuple[int, set[tuple[tuple[float, ...], str]]]] = {}
        self._lately: set[Tick] = set()  # of the newest refill: what the stream tells again is not late
        self._seqs: dict[tuple[str, Kind], int] = {}
        self._after = after
        self.reached = after  # time of the newest step
        self.late = 0
        self.repeated = 0

    def steps(self, ticks: Iterable[Tick], bad: Iterable[BadRow] = ()) -> Iterator[FeedStep]:
        """The steps that a frame or a page makes."""
        admitted = [tick for tick in sorted(ticks, key=attrgetter("time", "kind", "symbol")) if self._admit(tick)]
        for time, at_once in groupby(admitted, key=attrgetter("time")):
            yield self._step(time, [self._numbered(tick) for tick in at_once])
        if rows := list(bad):
            yield self._step(self.reached + 1, [msgspec.structs.replace(row, ts=self.reached + 1) for row in rows])

    def refill(self, ticks: Iterable[Tick]) -> Iterator[FeedStep]:
        """The same of a page of the history, which holds on purpose what was told already."""
        told = list(ticks)
        late, repeated = self.late, self.repeated
        yield from self.steps(told)
        self.late, self.repeated = late, repeated
        self._lately = {tick for tick in told if tick.time > self.reached - LATELY_NS}

    def _step(self, time: int, events: list[MarketEvent | BadRow]) -> FeedStep:
        self.reached = max(time, self.reached + 1)
        return FeedStep(self.reached, events)

    def _admit(self, tick: Tick) -> bool:
        newest, there = self._newest.get((tick.symbol, tick.kind), (self._after, set()))
        mark = (tick.values, tick.name)
        if tick in self._lately or (tick.time == newest and mark in there):
            self.repeated += 1
            return False
        if tick.time < newest or tick.time == self._after:
            self.late += 1
            return False
        if tick.time > newest:
            there = set()
            self._newest[tick.symbol, tick.kind] = (tick.time, there)
        there.add(mark)
        return True

    def _numbered(self, tick: Tick) -> MarketEvent:
        seq = self._seqs[tick.symbol, tick.kind] = self._seqs.get((tick.symbol, tick.kind), 0) + 1
        if tick.kind == "t":
            price, size = tick.values
            return TradeTick(venue=self._venue, symbol=tick.symbol, seq=seq, ts=tick.time, price=price, size=size)
        bid, ask, bid_size, ask_size = tick.values
        return Quote(venue=self._venue, symbol=tick.symbol, seq=seq, ts=tick.time, bid=bid, ask=ask, bid_size=bid_size, ask_size=ask_size)


def told_in(frame: bytes) -> list[msgspec.Raw]:
    """The elements of a frame. Unreadable: it is none."""
    return read(frame, list[msgspec.Raw])
