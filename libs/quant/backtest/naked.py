"""Orders without risk controls: what a target asks for, at once and in one piece. Backtests with risk off only."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Final

import msgspec

from libs.domain.instruments import Instrument
from libs.domain.messages import Signal
from libs.domain.orders import Order
from libs.quant.backtest.setup import Entry
from libs.quant.risk.assess import Verdict, leg_of, order_of, within_band
from libs.quant.risk.limits import Limits
from libs.quant.risk.size import desired_lots
from libs.quant.risk.view import Leg, View
from libs.quant.sizing import to_ticks

FOREVER: Final = 2**63 - 1


def judge(signal: Signal, leg: int, view: View, limits: Limits) -> Verdict:
    """As `assess`, with sizing only: whatever the target asks for within the limits of size is approved."""
    desired = desired_lots(signal, view, limits)
    held = view.positions.get((signal.strategy_id, signal.symbol), 0)
    open_orders = view.book_orders(signal.strategy_id, signal.symbol)
    if held + sum(order.signed for order in open_orders) == desired:
        return Verdict(signal, "NO_CHANGE", reason="the book is there or on its way")
    if open_orders:
        return Verdict(signal, "WAITING", cancels=tuple(open_orders), reason="open orders of the book have to end first")
    if within_band(desired - held, signal, view):
        return Verdict(signal, "NO_CHANGE", reason="within the no-trade band")
    change = desired - held
    instrument = view.instruments[signal.symbol]
    price = to_ticks(signal.reference_price, float(instrument.tick))
    return Verdict(signal, "APPROVED", legs=(leg_of(signal, leg, change, price, view),))


def naked_order(entry: Entry) -> Callable[..., Order]:
    """What makes orders of approved legs, as `order_of` does."""
    return partial(_order, entry)


def _order(entry: Entry, leg: Leg, *, fleet_tag: str, venue: str, grace_ns: int) -> Order:
    """An order of the kind asked for, that lives until it is filled or its book's next order takes its place."""
    reference, worse = leg.signal.reference_price, 1 if leg.side == "buy" else -1
    stop = limit = None
    if entry.kind == "limit":
        limit = _price(reference, -worse * entry.offset_bps, leg.instrument)
    elif entry.kind in ("stop", "stop_limit"):
        stop = _price(reference, worse * entry.offset_bps, leg.instrument)
    if entry.kind == "stop_limit":
        limit = _price(reference, worse * (entry.offset_bps + entry.limit_bps), leg.instrument)
    ordered = order_of(leg, fleet_tag=fleet_tag, venue=venue, grace_ns=grace_ns)
    return msgspec.structs.replace(ordered, order_type=entry.kind, price=limit, stop_price=stop, time_in_force="GTC", expires_at=FOREVER)


def _price(reference: float, bps: float, instrument: Instrument) -> Decimal:
    return instrument.price(to_ticks(reference * (1 + bps / 10_000), float(instrument.tick)))
