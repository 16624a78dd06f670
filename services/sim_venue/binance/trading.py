"""Orders in and out: place, test, cancel, cancel all, cancel and replace."""

from typing import Final, NamedTuple

from libs.quant.sim_venue.commands import Cancel, CancelAll, Submit
from libs.quant.sim_venue.listings import Listing
from libs.quant.sim_venue.orders import Execution, NewOrder, Order
from libs.quant.sim_venue.reports import Report
from services.sim_venue.binance.desk import Call, Desk
from services.sim_venue.binance.errors import CANCEL_REJECTED, VenueError
from services.sim_venue.binance.figures import rate
from services.sim_venue.binance.order_answers import Detail, Json, canceled, order_list, placed
from services.sim_venue.binance.order_requests import detail_of, new_id, read_order, self_trade_of

_UNKNOWN: Final = "Unknown order sent."
_RESTRICTED: Final = "Order was not canceled due to cancel restrictions."


async def place(desk: Desk, call: Call) -> object:
    """`POST /api/v3/order`."""
    listing = desk.symbols.needed(call.parameters)
    detail = detail_of(call.parameters)
    order = read_order(call.parameters, listing, desk.host.tape.quote(listing.symbol))
    return await _submit(desk, call, listing, order, detail)


async def _submit(desk: Desk, call: Call, listing: Listing, order: NewOrder, detail: Detail) -> Json:
    command = Submit(account=call.account, orders=(order,), self_trade=self_trade_of(call.parameters))
    reports = await desk.execute(command, call)
    first = next(report.order for report in reports if report.order is not None and report.account == call.account)
    desk.placed.put((call.account, order.client_order_id), first.id)
    return placed(newest(reports, first.id), fills_of(reports, first.id), listing, detail)


def newest(reports: list[Report], order: int) -> Order:
    """An order as it is after all that happened."""
    return [report.order for report in reports if report.order is not None and report.order.id == order][-1]


def fills_of(reports: list[Report], order: int) -> list[Execution]:
    """Its fills among what happened."""
    return [r.execution for r in reports if r.kind == "fill" and r.execution is not None and r.execution.order == order]


async def test(desk: Desk, call: Call) -> object:
    """`POST /api/v3/order/test`: reads the order as `place` does, and leaves it there."""
    listing = desk.symbols.needed(call.parameters)
    detail_of(call.parameters)
    self_trade_of(call.parameters)
    read_order(call.parameters, listing, desk.host.tape.quote(listing.symbol))
    if not call.parameters.flag("computeCommissionRates", False):
        return {}
    rates = {"maker": rate(listing.fees.maker_bps), "taker": rate(listing.fees.taker_bps)}
    return {"standardCommissionForOrder": rates}


class Target(NamedTuple):
    """The order that a cancel is about."""

    order: int
    known: Order | None  # None where readers do not see it yet


def target(desk: Desk, call: Call, listing: Listing, id_name: str = "orderId", client_name: str = "origClientOrderId") -> Target:
    """The order that is meant by its id, or by its client's id.

    Raises:
        VenueError: -1102 when neither is sent, -2011 when there is no such order of this symbol.
    """
    number, client_id = call.parameters.integer(id_name), call.parameters.text(client_name)
    if number is None and client_id is None:
        raise VenueError(-1102, f"Param '{client_name}' or '{id_name}' must be sent, but both were empty/null!")
    view = desk.account(call.account)
    known = view.orders.get(number) if number is not None else view.order_of(client_id or "")
    if known is None:  # reads may lag behind, and the core knows best
        number = number if client_id is None else desk.placed.get((call.account, client_id))
        if number is not None:
            return Target(number, None)
    if known is None or known.asked.symbol != listing.symbol or client_id not in (None, known.asked.client_order_id):
        raise VenueError(CANCEL_REJECTED, _UNKNOWN)
    return Target(known.id, known)


async def cancel(desk: Desk, call: Call) -> object:
    """`DELETE /api/v3/order`."""
    listing = desk.symbols.needed(call.parameters)
    return await _cancel(desk, call, target(desk, call, listing), call.parameters.client_id("newClientOrderId"))


async def _cancel(desk: Desk, call: Call, meant: Target, cancel_id: str | None) -> Json:
    _check_restrictions(call, meant.known)
    name = cancel_id or new_id()
    desk.cancel_ids.put(meant.order, name)
    reports = await desk.execute(Cancel(account=call.account, order=meant.order), call)
    order = newest(reports, meant.order)
    return canceled(order, desk.host.view.listings[order.asked.symbol], name)


def _check_restrictions(call: Call, known: Order | None) -> None:
    restriction = call.parameters.choice(
        "cancelRestrictions",
        {"ONLY_NEW": "ONLY_NEW", "ONLY_PARTIALLY_FILLED": "ONLY_PARTIALLY_FILLED"},
        "",
        VenueError(-1145, "Invalid cancelRestrictions"),
    )
    if restriction and (known is None or (known.filled > 0) == (restriction == "ONLY_NEW")):
        raise VenueError(CANCEL_REJECTED, _RESTRICTED)


async def cancel_all(desk: Desk, call: Call) -> object:
    """`DELETE /api/v3/openOrders`: of one symbol; -2011 when none is open."""
    listing = desk.symbols.needed(call.parameters)
    reports = await desk.execute(CancelAll(account=call.account, symbol=listing.symbol), call)
    ended = [r.order for r in reports if r.kind == "canceled" and r.order is not None and r.account == call.account]
    if not ended:
        raise VenueError(CANCEL_REJECTED, _UNKNOWN)
    return _ended(ended, listing)


def _ended(orders: list[Order], listing: Listing) -> list[Json]:
    """Single orders as they are, and those of a list together."""
    answers: list[Json] = []
    for order in orders:
        if not order.group:
            answers.append(canceled(order, listing, new_id()))
        elif order is next(other for other in orders if other.group == order.group):
            together = [other for other in orders if other.group == order.group]
            reports = [canceled(other, listing, new_id()) for other in together]
            answers.append(order_list(together, listing) | {"orderReports": reports})
    return answers


async def cancel_replace(desk: Desk, call: Call) -> object:
    """`POST /api/v3/order/cancelReplace`: a cancel and then a new order of its own, whose quantity is all its own.

    Raises:
        VenueError: -2022 when both failed or the new order was not attempted, -2021 when one of the two did.
    """
    listing, p = desk.symbols.needed(call.parameters), call.parameters
    modes = {"STOP_ON_FAILURE": False, "ALLOW_FAILURE": True}
    p.need("cancelReplaceMode")
    go_on = p.choice("cancelReplaceMode", modes, False, VenueError(-1130, "Data sent for parameter 'cancelReplaceMode' is not valid."))
    detail = detail_of(p)
    self_trade_of(p)
    order = read_order(p, listing, desk.host.tape.quote(listing.symbol))
    answer: Json = {"cancelResult": "SUCCESS", "newOrderResult": "SUCCESS", "cancelResponse": None, "newOrderResponse": None}
    try:
        meant = target(desk, call, listing, "cancelOrderId", "cancelOrigClientOrderId")
        answer["cancelResponse"] = await _cancel(desk, call, meant, p.client_id("cancelNewClientOrderId"))
    except VenueError as error:
        answer |= {"cancelResult": "FAILURE", "cancelResponse": error.body}
        if not go_on:
            answer["newOrderResult"] = "NOT_ATTEMPTED"
            raise VenueError(-2022, "Order cancel-replace failed.", 400, answer) from None
    try:
        answer["newOrderResponse"] = await _submit(desk, call, listing, order, detail)
    except VenueError as error:
        answer |= {"newOrderResult": "FAILURE", "newOrderResponse": error.body}
    if answer["cancelResult"] == answer["newOrderResult"] == "FAILURE":
        raise VenueError(-2022, "Order cancel-replace failed.", 400, answer)
    if "FAILURE" in (answer["cancelResult"], answer["newOrderResult"]):
        raise VenueError(-2021, "Order cancel-replace partially failed.", 409, answer)
    return answer
