"""What a `trade_updates` frame reports. Pure.

Only what the order has come to is taken from a frame, whatever the event is called: words that Alpaca adds later then mean
what the order says.
"""

from decimal import Decimal
from typing import Final

from libs.domain.orders import Evidence
from libs.domain.trades import Fill
from libs.venues.alpaca.wire import Activity, OrderState, Unreadable, Update, exec_key, positive, side_of, status_of, time_ns
from libs.venues.broker import OrderReport, Report, Undone

FEE_CURRENCY: Final = "USD"
_NO_FEE: Final = Decimal(0)
_FILLS: Final = ("fill", "partial_fill")
_UNDONE: Final = ("trade_bust", "trade_correct")
_ENDS: Final = {"canceled": Evidence.CANCELED, "expired": Evidence.EXPIRED, "rejected": Evidence.REJECTED}


def report_of(update: Update, client_order_id: str) -> Report | None:
    """What it says that we do not know by our own answers; None when that is nothing.

    Args:
        client_order_id: of the order, or of the first of its chain when it replaced another.

    Raises:
        Unreadable: it is about something that matters, and cannot be understood.
    """
    if update.event in _FILLS:
        return _fill(update, client_order_id)
    told_at = time_ns(update.timestamp or update.order.updated_at, "timestamp")
    if update.event in _UNDONE:
        return _undone(update, client_order_id, told_at)
    if update.event == "order_replace_rejected":
        return OrderReport(client_order_id, Evidence.REPLACE_REFUSED, update.order.filled, told_at, "the replacement was rejected")
    if update.event == "order_cancel_rejected":
        return OrderReport(client_order_id, Evidence.CANCEL_REFUSED, update.order.filled, told_at, "the cancel was rejected")
    return standing(update.order, client_order_id, told_at, update.event)


def standing(order: OrderState, client_order_id: str, told_at: int, detail: str) -> OrderReport | None:
    """How the order stands; None when it is filled, which its fills say."""
    status = status_of(order)
    if status == "filled":
        return None
    return OrderReport(client_order_id, _ENDS.get(status, Evidence.ACCEPTED), order.filled, told_at, detail)


def _undone(update: Update, client_order_id: str, told_at: int) -> Undone:
    """An execution that the venue takes back, or changes; its numbers are those of the execution."""
    corrected = update.event == "trade_correct"
    quantity, price = positive(update.qty, "qty"), positive(update.price, "price")
    did = "corrected to" if corrected else "taken back:"
    return Undone(
        exec_key=f"bust:{update.order.id}:{update.execution_id or told_at}",
        client_order_id=client_order_id,
        symbol=update.order.symbol or "",
        side=side_of(update.order.side or ""),
        quantity=quantity,
        price=price,
        corrected=corrected,
        market_time=told_at,
        detail=f"an execution of {update.order.symbol} was {did} {quantity.normalize():f} @ {price.normalize():f} ({update.event})",
    )


def replaced(order: OrderState, client_order_id: str, told_at: int) -> OrderReport:
    """An order that has given its place to another of ours."""
    return OrderReport(client_order_id, Evidence.REPLACED, order.filled, told_at, f"replaced by {order.replaced_by}")


def _fill(update: Update, client_order_id: str) -> Fill:
    order = update.order
    if order.filled_qty is None or update.qty is None or update.price is None or update.timestamp is None:
        raise Unreadable(f"expected qty, price, timestamp and filled_qty of a {update.event}, got {update}")
    activity = Activity(
        id=update.execution_id or "",
        order_id=order.id,
        symbol=order.symbol or "",
        side=order.side or "",
        qty=update.qty,
        price=update.price,
        cum_qty=order.filled_qty,
        transaction_time=update.timestamp,
    )
    return fill_of(activity, client_order_id)


def fill_of(activity: Activity, client_order_id: str) -> Fill:
    """A fill as the history tells it.

    Alpaca takes no commission on shares and does not say who was the maker; what it passes on of the regulators' fees it
    books by the day, not by the fill.

    Raises:
        Unreadable: its numbers make no sense.
    """
    if not activity.symbol:
        raise Unreadable("expected a symbol, got none")
    cumulative = positive(activity.cum_qty, "cum_qty")
    return Fill(
        exec_key=exec_key(activity.order_id, cumulative),
        client_order_id=client_order_id,
        symbol=activity.symbol,
        side=side_of(activity.side),
        quantity=positive(activity.qty, "qty"),
        price=positive(activity.price, "price"),
        fee=_NO_FEE,
        fee_currency=FEE_CURRENCY,
        liquidity="taker",
        executed_at=time_ns(activity.transaction_time, "transaction_time"),
        cumulative=cumulative,
    )
