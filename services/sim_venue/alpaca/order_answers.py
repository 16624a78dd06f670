"""What is answered to requests that change orders: the orders as the venue took them, or its refusal in Alpaca's words."""

from decimal import Decimal

from libs.quant.sim_venue.commands import Refusal, Submit
from libs.quant.sim_venue.listings import Listing
from libs.quant.sim_venue.orders import NewOrder, Order
from libs.quant.sim_venue.reports import Report
from services.sim_venue.alpaca.door import Call
from services.sim_venue.alpaca.errors import Problem, forbidden, of_refusal
from services.sim_venue.alpaca.order_json import order_json, waits_for_the_open
from services.sim_venue.alpaca.valuation import buying_power, held_for_orders, mark
from services.sim_venue.alpaca.wire import Json, rounded, text


async def taken(call: Call, command: Submit) -> Json:
    """The order as it was taken, before anything filled: clients learn of fills by asking or by the stream, as at Alpaca."""
    outcome = await call.execute(command)
    if outcome.refusal is not None:
        raise _refused(call, command.orders[0], outcome.refusal)
    first, *legs = arrivals(outcome.reports)
    listing = call.listings[first.asked.symbol]
    return as_taken(first, listing, call.now, [order_json(leg, listing, call.now) for leg in legs])


def as_taken(order: Order, listing: Listing, now: int, legs: list[Json] | None = None) -> Json:
    """An order of which the exchange has not spoken yet."""
    waits = order.status == "open" and waits_for_the_open(order, listing, now)
    return order_json(order, listing, now, legs) | {"status": "accepted" if waits else "pending_new"}


def arrivals(reports: list[Report]) -> list[Order]:
    """The orders that a command brought in, each as it was when it came."""
    return [report.order for report in reports if report.order is not None and report.kind in ("accepted", "held")]


def _refused(call: Call, order: NewOrder, refusal: Refusal) -> Problem:
    """Alpaca says how much there would have been; the rest stands in `errors`."""
    listing = call.listings[order.symbol]
    instrument, account = listing.instrument, call.account
    if refusal.code == "insufficient_funds":
        return forbidden("insufficient buying power", **_power(call, order, listing))
    if refusal.code == "insufficient_position":
        held = account.positions.get(order.symbol, 0)
        kept = held_for_orders(account, order.symbol)
        existing, free = instrument.quantity(abs(held)), instrument.quantity(max(abs(held) - kept, 0))
        wanted = text(instrument.quantity(order.lots))
        return forbidden(
            f"insufficient qty available for order (requested: {wanted}, available: {text(free)})",
            symbol=order.symbol,
            existing_qty=text(existing),
            held_for_orders=text(instrument.quantity(kept)),
            available=text(free),
        )
    return of_refusal(refusal, order.symbol)


def _power(call: Call, order: NewOrder, listing: Listing) -> Json:
    ticks = order.limit if order.limit is not None else order.stop
    price = mark(call.tape, order.symbol) if ticks is None else listing.instrument.price(ticks)
    cost = listing.notional(order.lots, 1) / listing.instrument.tick * (price or Decimal(0))
    return {"buying_power": text(rounded(buying_power(call.account, call.listings, call.tape), 2)), "cost_basis": text(rounded(cost, 2))}
