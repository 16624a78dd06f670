"""Whether a backtest of a tape that ends earlier is the beginning of the whole one. It must be: nobody knows what is not yet there."""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from libs.domain.messages import Signal
from libs.domain.orders import Order
from libs.domain.times import iso
from libs.domain.trades import Trade
from libs.quant.backtest.result import Played

K = TypeVar("K")
V = TypeVar("V")


class Parting(NamedTuple):
    """The first thing that the shorter tape did otherwise."""

    end: int  # market ns at which the shorter one ends
    at: int  # market ns of what differs
    what: str


def parting(whole: Played, short: Played, end: int) -> Parting | None:
    """The earliest difference of what both could know; None when there is none.

    What is ordered at `end` itself is left out, for on its last bar a backtest orders nothing.

    Args:
        end: market ns up to which the shorter tape goes.
    """
    found = [
        *_signals(whole.signals, short.signals, end),
        *_orders(whole.orders, short.orders, end),
        *_trades(whole.trades, short.trades, end),
    ]
    return min(found, key=lambda one: one.at, default=None)


def _signals(whole: Sequence[Signal], short: Sequence[Signal], end: int) -> list[Parting]:
    ones = {signal.signal_id: signal for signal in whole if signal.decided_at <= end}
    others = {signal.signal_id: signal for signal in short}
    return [
        Parting(end, some.decided_at, f"the signal of {_named(some)} is {_target(other)} instead of {_target(one)}")
        for one, other in _unequal(ones, others)
        if (some := one or other)
    ]


def _orders(whole: Sequence[Order], short: Sequence[Order], end: int) -> list[Parting]:
    """Of an order that the whole tape has alone, its fill will tell: it may have waited until after the end."""
    ones = {order.client_order_id: order for order in whole}
    others = {order.client_order_id: order for order in short if order.decided_at < end}
    return [
        Parting(end, other.decided_at, f"the order of {other.strategy_id} on {other.symbol} is {_order(other)} instead of {_order(one)}")
        for one, other in _unequal(ones, others)
        if other is not None
    ]


def _trades(whole: Sequence[Trade], short: Sequence[Trade], end: int) -> list[Parting]:
    ones, others = ({trade.exec_key: trade for trade in trades if trade.executed_at < end} for trades in (whole, short))
    return [
        Parting(end, some.executed_at, f"the fill of {some.strategy_id} on {some.symbol} is {_fill(other)} instead of {_fill(one)}")
        for one, other in _unequal(ones, others)
        if (some := one or other)
    ]


def _unequal(ones: dict[K, V], others: dict[K, V]) -> list[tuple[V | None, V | None]]:
    pairs = [(ones.get(key), others.get(key)) for key in dict.fromkeys((*ones, *others))]
    return [pair for pair in pairs if pair[0] != pair[1]]


def _named(signal: Signal) -> str:
    return f"{signal.strategy_id} on {signal.symbol} at the bar of {iso(signal.bar_time)}"


def _target(signal: Signal | None) -> str:
    return "none" if signal is None else f"{signal.target:g}"


def _order(order: Order | None) -> str:
    return "none" if order is None else f"{order.side} {order.quantity} at {order.price}"


def _fill(trade: Trade | None) -> str:
    return "none" if trade is None else f"{trade.side} {trade.quantity} at {trade.executed_price}"
