"""What is answered to requests that change orders: the orders as the venue took them, or its refusal in Alpaca's words."""

from decimal import Decimal

from libs.quant.sim_venue.commands import Refusal, Submit
from libs.quant.sim_venue.listings import Listing
from libs.quant.sim_venue.orders import NewOrder, Order
from libs.quant.sim_venue.reports import Report
from services.sim_venue.alpaca.door import Call
from services.sim_venue.alpaca.errors import Problem, forbidden, of_refusal, unprocessable
from services.sim_venue.alpaca.order_json import order_json, waits_for_the_open
from services.sim_venue.alpaca.valuation import buying_power, held_for_orders, mark
from services.sim_venue.alpaca.wire import Json, maybe, rounded, text


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
    """Where Alpaca says how much there would have been, so do we; the rest stands in `errors`."""
    match refusal.code:
        case "insufficient_funds":
            return forbidden(
                "insufficient buying power",
                buying_power=text(rounded(buying_power(call.account, call.listings, call.tape), 2)),
                cost_basis=text(rounded(_cost(call, order), 2)),
            )
        case "insufficient_position":
            return _too_few(call, order)
        case "would_trigger":
            side = "greater" if order.side == "buy" else "less"
            price, instrument = mark(call.tape, order.symbol), call.listings[order.symbol].instrument
            return unprocessable(
                f"stop price must be {side} than current price",
                market_price=maybe(price),
                stop_price=text(instrument.price(order.stop or 0)),
            )
        case "self_trade":
            problem = of_refusal(refusal, order.symbol)
            problem.body["reject_reason"] = "opposite side market/stop order exists"
            return problem
        case _:
            return of_refusal(refusal, order.symbol)


def _too_few(call: Call, order: NewOrder) -> Problem:
    instrument, account = call.listings[order.symbol].instrument, call.account
    existing, kept = abs(account.positions.get(order.symbol, 0)), held_for_orders(account, order.symbol)
    if not existing:
        return forbidden("account is not allowed to short")
    wanted, free = text(instrument.quantity(order.lots)), text(instrument.quantity(max(existing - kept, 0)))
    return forbidden(
        f"insufficient qty available for order (requested: {wanted}, available: {free})",
        symbol=order.symbol,
        existing_qty=text(instrument.quantity(existing)),
        held_for_orders=text(instrument.quantity(kept)),
        available=free,
    )


def _cost(call: Call, order: NewOrder) -> Decimal:
    instrument = call.listings[order.symbol].instrument
    ticks = order.limit if order.limit is not None else order.stop
    price = mark(call.tape, order.symbol) if ticks is None else instrument.price(ticks)
    return instrument.quantity(order.lots) * (price or Decimal(0)) * instrument.multiplier
