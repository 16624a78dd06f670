"""An account's reports as events of the user data stream: pure functions from what happened to JSON."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from libs.quant.sim_venue.listings import Listing
from libs.quant.sim_venue.orders import Execution, Order
from libs.quant.sim_venue.reports import Kind, Report
from services.sim_venue.binance.figures import ZERO, exact, ms
from services.sim_venue.binance.order_answers import (
    QUOTE_QUANTITY,
    Json,
    list_id,
    quote_filled,
    status_of,
    stp_mode,
    time_in_force,
    type_of,
    waits,
)
from services.sim_venue.binance.symbols import wire

_EXECUTION_TYPES: Final[Mapping[Kind, str]] = {
    "accepted": "NEW",
    "held": "NEW",
    "activated": "NEW",
    "triggered": "NEW",  # again, now with "w": true
    "fill": "TRADE",
    "canceled": "CANCELED",
    "replaced": "CANCELED",
    "expired": "EXPIRED",
}


def execution_report(report: Report, listing: Listing, cancel_id: str | None = None) -> Json | None:
    """What the stream says of an order, or None where it says nothing: a trailing stop that moved, a bust.

    A cancel has an id of its own, which takes the place of the order's (`c`); the order's is then `C`.
    """
    order, kind = report.order, _EXECUTION_TYPES.get(report.kind)
    if order is None or kind is None:
        return None
    i, asked = listing.instrument, order.asked
    own_id = asked.client_order_id
    event: Json = {
        "e": "executionReport",
        "E": ms(report.at),
        "s": wire(listing.symbol),
        "c": cancel_id or own_id,
        "S": asked.side.upper(),
        "o": type_of(asked),
        "f": time_in_force(asked),
        "q": exact(i.quantity(order.lots)),
        "p": ZERO if asked.limit is None else exact(i.price(asked.limit)),
        "P": ZERO if order.stop is None else exact(i.price(order.stop)),
        "F": ZERO,
        "g": list_id(order),
        "C": own_id if cancel_id else "",
        "x": kind,
        "X": status_of(order),
        "r": "NONE",
        "i": order.id,
        **_execution(report.execution if kind == "TRADE" else None, listing),
        "z": exact(i.quantity(order.filled)),
        "T": ms(report.at),
        "I": report.n,
        "w": order.live and not waits(order),
        "M": kind == "TRADE",
        "O": ms(order.created_at),
        "Z": quote_filled(order, listing),
        "Q": asked.tags.get(QUOTE_QUANTITY, ZERO),
        "V": stp_mode(order),
    }
    if not waits(order):
        event["W"] = ms(order.created_at)
    return event | _marks(order)


def _execution(execution: Execution | None, listing: Listing) -> Json:
    if execution is None:
        return {"l": ZERO, "L": ZERO, "n": "0", "N": None, "t": -1, "m": False, "Y": ZERO}
    i = listing.instrument
    return {
        "l": exact(i.quantity(execution.lots)),
        "L": exact(i.price(execution.ticks)),
        "n": exact(execution.fee),
        "N": execution.fee_currency,
        "t": execution.id,
        "m": execution.maker,
        "Y": exact(listing.notional(execution.lots, execution.ticks)),
    }


def _marks(order: Order) -> Json:
    asked = order.asked
    marks: Json = {}
    if asked.trail_bps is not None:
        marks |= {"d": int(asked.trail_bps), "D": ms(order.created_at)}
    marks |= {letter: int(asked.tags[name]) for letter, name in (("j", "strategyId"), ("J", "strategyType")) if name in asked.tags}
    return marks


def account_position(assets: Mapping[str, tuple[Decimal, Decimal]], at: int) -> Json:
    """Free and locked of the assets that an event may have changed."""
    return {
        "e": "outboundAccountPosition",
        "E": ms(at),
        "u": ms(at),
        "B": [{"a": asset, "f": exact(free), "l": exact(locked)} for asset, (free, locked) in assets.items()],
    }


def balance_updates(report: Report) -> list[Json]:
    """Money that came or went without a trade: deposits, withdrawals, and what a bust or a correction gives back or takes."""
    if report.kind not in ("transfer", "bust", "correct"):
        return []
    return [
        {"e": "balanceUpdate", "E": ms(report.at), "a": asset, "d": exact(change), "T": ms(report.at)}
        for asset, change in report.balances.items()
    ]
