"""What an account's decisions need beside the snapshot: its own orders lately, what trades on an average day, plain numbers of steps.

Read once and kept: own orders at a start and after a hop of which nobody knows whether it was committed, volumes once a market day.
"""

from collections.abc import Iterable, Mapping, Sequence

from libs.domain.instruments import Instrument
from libs.domain.names import TIMEFRAMES
from libs.domain.orders import Order
from libs.quant.calendars import DAY
from libs.quant.closed_trades import MOST_CLOSES
from libs.quant.risk.flow import KNOWN_SIZES, MINUTE, MONTH, Flow, Ordered, OwnOrders, ordered_at, ordered_of
from libs.quant.risk.grid import Grid, grid_of
from libs.quant.risk.limits import Limits
from libs.quant.risk.order_size import PERMITTED
from libs.quant.risk.volume import DAYS, DailyVolume
from libs.store.risk import Asked, DecidedRow, RiskStore, SizeRow, Snapshot
from libs.store.sessions import Session

LONGEST_PAUSE = 2 * DAYS * DAY
"""So far back bars are looked for: DAYS of trading with the closed days between them."""


class Facts:
    """One account under one lease."""

    def __init__(self, store: RiskStore, session: Session, instruments: Mapping[str, Instrument], by_edge: Sequence[str]) -> None:
        """`by_edge`: strategies whose size hangs on their own closed trades."""
        self._store = store
        self._instruments = instruments
        self._by_edge = by_edge
        self._late_ns = TIMEFRAMES[session.timeframes[0]] + session.grace_ns
        self._quoted = tuple(symbol for symbol, kind in session.fills["on"].items() if kind == "quote_bar")
        self._own = OwnOrders()
        self.known = False  # whether own orders are all those on record
        self.grids: dict[str, Grid] = {}
        self.volumes: dict[str, float] = {}
        self._looked_up: set[str] = set()  # symbols of which the volume of the day was looked for
        self._day = 0

    def asked(self, limits: Limits) -> Asked:
        """What sizing and the limits that hold want to know."""
        names = limits.names
        return Asked(
            jumps="max_price_jump" in names,
            quotes=self._quoted,
            ratios=bool(names & {"max_order_to_trade", "max_cancel_ratio"}),
            fleet=limits.of_fleet,
            permits=bool(names & PERMITTED),
            closes=self._by_edge,
            most_closes=MOST_CLOSES,
        )

    async def begin(self, now: int) -> None:
        """Reads own orders where it is not known that these are all; `now`: market ns."""
        if self.known:
            return
        decided = [self._ordered(row) for row in await self._store.decided(now - MINUTE) if row.symbol in self._instruments]
        before = await self._store.sizes(now - MONTH, now - MINUTE, KNOWN_SIZES)
        sizes = [self._size(row) for row in before if row.symbol in self._instruments]
        self._own = OwnOrders(decided, sizes)

    def _ordered(self, row: DecidedRow) -> Ordered:
        at, grid = self._instruments[row.symbol], self._grid(row.symbol)
        lots, ticks = at.lots(row.quantity), 0 if row.price is None else at.ticks(row.price)
        return ordered_at(row.decided_at, row.strategy_id, row.symbol, row.side, lots, ticks, row.signal_id, row.entry, grid)

    def _size(self, row: SizeRow) -> tuple[str, int, float]:
        at = self._instruments[row.symbol]
        return row.strategy_id, row.decided_at, self._grid(row.symbol).notional(at.lots(row.quantity), at.ticks(row.price))

    async def look(self, snapshot: Snapshot, limits: Limits) -> None:
        """Reads what trades on an average day, of the symbols that are decided on, where a limit asks for it."""
        if "max_adv_share" not in limits.names:
            return
        day = (snapshot.now - self._late_ns) // DAY
        if day != self._day:
            self._day, self._looked_up = day, set()
            self.volumes.clear()
        wanted = {queued.signal.symbol for queued in snapshot.queued if queued.signal} | {row.signal.symbol for row in snapshot.waiting}
        if missing := sorted(wanted - self._looked_up):
            found = await self._store.volumes(missing, day * DAY - LONGEST_PAUSE, day * DAY)
            means = ((symbol, DailyVolume(bars).before(day * DAY)) for symbol, bars in found.items())
            self.volumes |= {symbol: mean for symbol, mean in means if mean is not None}
            self._looked_up.update(missing)

    def flow(self, now: int) -> Flow:
        """Own orders as of `now`, market ns."""
        return self._own.at(now)

    def add(self, orders: Iterable[Order]) -> None:
        """Orders that are durable."""
        for order in orders:
            self._own.add(ordered_of(order, self._instruments[order.symbol]))

    def _grid(self, symbol: str) -> Grid:
        if symbol not in self.grids:
            self.grids[symbol] = grid_of(self._instruments[symbol])
        return self.grids[symbol]
