"""An account's own orders as the controls of flow see them: how many lately, of what, and how large they usually are.

Times are market ns. Counted once each as they are decided; what is too old to matter is forgotten.
"""

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar
from uuid import UUID

from libs.domain.instruments import Instrument
from libs.domain.orders import Order, Side
from libs.domain.times import SECOND
from libs.quant.risk.grid import Grid, grid_of

K = TypeVar("K")

MINUTE: Final = 60 * SECOND
MONTH: Final = 30 * 24 * 60 * MINUTE
ALIKE: Final = 2 * SECOND
"""Orders of the same content are suspicious when they are decided within less than this."""
KNOWN_SIZES: Final = 1_000
"""How many of a strategy's entries its median is taken of: the newest ones."""
LEAST_SIZES: Final = 20
"""Of fewer there is no median that says something."""

Content = tuple[str, str, Side, int, int]
"""(strategy, symbol, side, lots, limit in ticks)."""

Decided = tuple[int, UUID]
"""(decided at, signal)."""


class Ordered(NamedTuple):
    """An order that was decided."""

    decided_at: int
    strategy_id: str
    symbol: str
    side: Side
    lots: int
    price: int  # limit, ticks
    signal_id: UUID
    notional: float  # at the limit, the instrument's currency
    entry: bool  # it may add to its book

    @property
    def content(self) -> Content:
        return self.strategy_id, self.symbol, self.side, self.lots, self.price


def ordered_of(order: Order, instrument: Instrument) -> Ordered:
    """An order on record as it is counted."""
    return ordered_at(
        order.decided_at,
        order.strategy_id,
        order.symbol,
        order.side,
        instrument.lots(order.quantity),
        0 if order.price is None else instrument.ticks(order.price),
        order.signal_id,
        not order.reduce_only,
        grid_of(instrument),
    )


def ordered_at(
    decided_at: int, strategy_id: str, symbol: str, side: Side, lots: int, price: int, signal_id: UUID, entry: bool, grid: Grid
) -> Ordered:
    """The same of its parts; lots and price in whole steps of `grid`."""
    return Ordered(decided_at, strategy_id, symbol, side, lots, price, signal_id, grid.notional(lots, price), entry)


@dataclass
class Flow:
    """The orders of one account as of one moment; only `add` changes it."""

    per_minute: dict[str, int] = field(default_factory=dict)  # by strategy: orders of (now - 1 min, now]
    per_second: dict[str, int] = field(default_factory=dict)
    entries: dict[tuple[str, str], int] = field(default_factory=dict)  # by (strategy, symbol), of the same minute
    before: Mapping[Content, list[Decided]] = field(default_factory=dict)  # of the last two seconds, and some that are older
    medians: dict[str, float] = field(default_factory=dict)  # notional of a strategy's entries, where there are enough
    _added: dict[Content, list[Decided]] = field(default_factory=dict)

    def alike(self, content: Content) -> Sequence[Decided]:
        """Orders of the same content."""
        before, added = self.before.get(content), self._added.get(content)
        return [*before, *added] if before and added else before or added or ()

    def add(self, ordered: Ordered) -> None:
        """One that is decided now."""
        strategy_id = ordered.strategy_id
        self.per_minute[strategy_id] = self.per_minute.get(strategy_id, 0) + 1
        self.per_second[strategy_id] = self.per_second.get(strategy_id, 0) + 1
        if ordered.entry:
            book = (strategy_id, ordered.symbol)
            self.entries[book] = self.entries.get(book, 0) + 1
        self._added.setdefault(ordered.content, []).append((ordered.decided_at, ordered.signal_id))


class OwnOrders:
    """Of one account. Taken in once each, they are counted as time passes."""

    def __init__(self, decided: Iterable[Ordered] = (), sizes: Iterable[tuple[str, int, float]] = ()) -> None:
        """
        Args:
            decided: orders of the last minute.
            sizes: (strategy, decided at, notional) of entries before those.
        """
        self._decided: list[Ordered] = []
        self._per_minute: dict[str, int] = {}
        self._entries: dict[tuple[str, str], int] = {}
        self._lately: deque[Ordered] = deque()
        self._alike: dict[Content, list[Decided]] = {}  # of those
        self._sizes: dict[str, Sizes] = {}
        for strategy_id, decided_at, notional in sizes:
            self._sizes.setdefault(strategy_id, Sizes()).add(decided_at, notional)
        for ordered in decided:
            self.add(ordered)

    def add(self, ordered: Ordered) -> None:
        """One more order."""
        insort(self._decided, ordered, key=_time)
        self._count(ordered, 1)
        self._lately.append(ordered)
        self._alike.setdefault(ordered.content, []).append((ordered.decided_at, ordered.signal_id))
        if ordered.entry:
            self._sizes.setdefault(ordered.strategy_id, Sizes()).add(ordered.decided_at, ordered.notional)

    def at(self, now: int) -> Flow:
        """As of `now`, which never goes back; those of a clock ahead of it do not count yet. It holds until the next one is asked for."""
        past = bisect_right(self._decided, now - MINUTE, key=_time)
        for ordered in self._decided[:past]:
            self._count(ordered, -1)
        del self._decided[:past]
        self._forget(now - ALIKE)
        flow = Flow(dict(self._per_minute), {}, dict(self._entries), self._alike)
        end = bisect_right(self._decided, now, key=_time)
        for ordered in self._decided[end:]:
            _take(flow.per_minute, ordered.strategy_id)
            if ordered.entry:
                _take(flow.entries, (ordered.strategy_id, ordered.symbol))
        second = bisect_right(self._decided, now - SECOND, key=_time)
        for ordered in self._decided[second:end]:
            flow.per_second[ordered.strategy_id] = flow.per_second.get(ordered.strategy_id, 0) + 1
        for strategy_id, sizes in self._sizes.items():
            if (median := sizes.median(now)) is not None:
                flow.medians[strategy_id] = median
        return flow

    def _forget(self, until: int) -> None:
        """No two orders of one content are compared any more; one that came late may hold up those behind it."""
        while self._lately and self._lately[0].decided_at <= until:
            content = self._lately.popleft().content
            self._alike[content].pop(0)
            if not self._alike[content]:
                del self._alike[content]

    def _count(self, ordered: Ordered, change: int) -> None:
        _add(self._per_minute, ordered.strategy_id, change)
        if ordered.entry:
            _add(self._entries, (ordered.strategy_id, ordered.symbol), change)


class Sizes:
    """Notional of one strategy's newest entries, of at most thirty days and at most KNOWN_SIZES."""

    def __init__(self) -> None:
        self._by_time: list[tuple[int, float]] = []
        self._by_size: list[float] = []

    def add(self, decided_at: int, notional: float) -> None:
        """One more; of one moment the smaller is forgotten first."""
        insort(self._by_time, (decided_at, notional))
        insort(self._by_size, notional)
        self._forget(len(self._by_time) - KNOWN_SIZES)

    def median(self, now: int) -> float | None:
        """The middle one, or the mean of the two middle ones; None of too few."""
        self._forget(bisect_right(self._by_time, (now - MONTH, float("inf"))))
        known, half = self._by_size, len(self._by_size) // 2
        if len(known) < LEAST_SIZES:
            return None
        return known[half] if len(known) % 2 else (known[half - 1] + known[half]) / 2

    def _forget(self, count: int) -> None:
        for _, notional in self._by_time[: max(0, count)]:
            del self._by_size[bisect_left(self._by_size, notional)]
        del self._by_time[: max(0, count)]


def _time(ordered: Ordered) -> int:
    return ordered.decided_at


def _add(counts: dict[K, int], key: K, change: int) -> None:
    left = counts.get(key, 0) + change
    if left:
        counts[key] = left
    else:
        del counts[key]


def _take(counts: dict[K, int], key: K) -> None:
    _add(counts, key, -1)
