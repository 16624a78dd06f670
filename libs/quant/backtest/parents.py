"""Orders that a backtest works by slices, with the function that trade_executor works them with."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from libs.domain.executions import execution_of
from libs.domain.names import TIMEFRAMES
from libs.domain.orders import Intent, Order, Status, intend
from libs.quant.backtest.tape import Tape
from libs.quant.execution.orders import parent_of, slice_of, slice_seen
from libs.quant.execution.profile import DAY, DAYS, Traded, frame, volume_profile
from libs.quant.execution.slices import Next, Over, Send, Stop, even, next_step, wakes_at
from libs.quant.risk.view import OpenOrder


class Parents:
    """The parents of one account that have not ended, in the order in which they were approved."""

    def __init__(self, tape: Tape, statuses: dict[str, Status], filled: Callable[[str], Decimal]) -> None:
        """
        Args:
            statuses: where every order stands, by client order id; the parents' are written here.
            filled: how much of the order of a client order id the venue has filled.
        """
        self._tape = tape
        self._statuses = statuses
        self._filled = filled
        self._slices: dict[Order, list[Order]] = {}
        self._weights: dict[Order, Sequence[int]] = {}
        self._unwanted: set[Order] = set()

    def begin(self, order: Order) -> None:
        """The order is worked from now on."""
        execution = execution_of(order.execution)
        self._slices[order] = []
        profile = self._profile(order) if execution.kind == "vwap" else None
        self._weights[order] = profile or even(execution.slices)
        self._statuses[order.client_order_id] = intend(Status.APPROVED, Intent.WORK)

    def open(self) -> Iterator[OpenOrder]:
        """What is left of each, as risk sees it: its slices are in it."""
        for order in self._slices:
            instrument = self._tape.instruments[order.symbol]
            left = instrument.lots(order.quantity - self._worked(order))
            price = instrument.ticks(order.price) if order.price is not None else 0
            yield OpenOrder(order.order_id, order.strategy_id, order.symbol, order.side, left, price, Status.WORKING)

    def orders(self) -> Iterator[Order]:
        """Those that have not ended."""
        return iter(list(self._slices))

    def call_off(self, order: Order) -> list[Order]:
        """It is to end; with the slices that have to be canceled first, where they still are."""
        self._unwanted.add(order)
        return list(self._slices.get(order, ()))

    def next_slice(self, order: Order, now: int) -> Order | None:
        """The slice of this parent that is to be sent now. A parent that has nothing more to do is ended."""
        if order.quantity == self._worked(order):
            self._end(order, Status.FILLED)
            return None
        match self._next(order, now):
            case Send() as send:
                made = slice_of(order, send, self._tape.instruments[order.symbol], now)
                self._slices[order].append(made)
                return made
            case Over(intent):
                self._end(order, intend(Status.WORKING, intent))
            case Stop() | None:
                pass
        return None

    def wakes(self, now: int) -> Iterator[int]:
        """When time alone gives each something to do, market ns."""
        return (wakes_at(parent_of(order, self._tape.instruments[order.symbol]), now) for order in self._slices)

    def _next(self, order: Order, now: int) -> Next | None:
        instrument = self._tape.instruments[order.symbol]
        made = [
            slice_seen(order, one, self._statuses[one.client_order_id], self._filled(one.client_order_id), instrument)
            for one in self._slices[order]
        ]
        return next_step(parent_of(order, instrument), made, now, self._weights[order], unwanted=order in self._unwanted)

    def _end(self, order: Order, status: Status) -> None:
        self._statuses[order.client_order_id] = status
        del self._slices[order], self._weights[order]
        self._unwanted.discard(order)

    def _worked(self, order: Order) -> Decimal:
        return sum((self._filled(made.client_order_id) for made in self._slices[order]), Decimal(0))

    def _profile(self, order: Order) -> tuple[int, ...] | None:
        timeframe = frame(self._tape.timeframes)
        columns = self._tape.bars[timeframe].get(order.symbol)
        if columns is None:
            return None
        length, takes = TIMEFRAMES[timeframe], execution_of(order.execution).takes_ns
        bars: list[Traded] = []
        for day in range(DAYS, 0, -1):
            begins = order.decided_at - day * DAY
            first = bisect_left(columns.start, max(self._tape.since, begins - length))
            last = bisect_left(columns.start, begins + takes)
            bars += map(Traded, columns.start[first:last], columns.volume[first:last])
        return volume_profile(bars, length, order.decided_at, takes, execution_of(order.execution).slices)
