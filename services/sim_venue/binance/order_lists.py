"""Orders that stand and fall together: one cancels the other (OCO), one triggers the other (OTO), one triggers such a pair (OTOCO)."""

from typing import Final

from msgspec.structs import replace

from libs.quant.sim_venue.commands import Cancel, Submit
from libs.quant.sim_venue.listings import Listing
from libs.quant.sim_venue.orders import NewOrder, Order, Shape
from libs.quant.sim_venue.reports import Report
from services.sim_venue.binance.desk import Call, Desk
from services.sim_venue.binance.errors import VenueError
from services.sim_venue.binance.order_answers import LIST, Json, canceled, order_list, placed
from services.sim_venue.binance.order_reads import lists_of
from services.sim_venue.binance.order_requests import Names, new_id, read_order, self_trade_of
from services.sim_venue.binance.trading import newest

_OWN: Final = ("type", "price", "stopPrice", "timeInForce", "trailingDelta", "icebergQty", "strategyId", "strategyType")


def _spelled(prefix: str, amount: str = "") -> Names:
    """How a part of a list spells an order's parameters: `belowStopPrice`. `amount` is the prefix of side and quantity."""
    names = {name: prefix + name[0].upper() + name[1:] for name in _OWN} | {"newClientOrderId": f"{prefix}ClientOrderId"}
    return names | ({"side": f"{amount}Side", "quantity": f"{amount}Quantity"} if amount else {})


_ABOVE, _BELOW = _spelled("above"), _spelled("below")
_WORKING, _PENDING = _spelled("working", "working"), _spelled("pending", "pending")
_PENDING_ABOVE, _PENDING_BELOW = _spelled("pendingAbove", "pending"), _spelled("pendingBelow", "pending")


async def oco(desk: Desk, call: Call) -> object:
    """`POST /api/v3/orderList/oco`: a limit maker on the one side of the market, a stop loss on the other."""
    return await _submit(desk, call, "oco", (_ABOVE, _BELOW))


async def oto(desk: Desk, call: Call) -> object:
    """`POST /api/v3/orderList/oto`: the pending order waits until the working one has filled."""
    return await _submit(desk, call, "oto", (_WORKING, _PENDING))


async def otoco(desk: Desk, call: Call) -> object:
    """`POST /api/v3/orderList/otoco`: a pair as `oco` has it waits until the working order has filled."""
    return await _submit(desk, call, "bracket", (_WORKING, _PENDING_ABOVE, _PENDING_BELOW))


async def _submit(desk: Desk, call: Call, shape: Shape, parts: tuple[Names, ...]) -> Json:
    listing, p = desk.symbols.needed(call.parameters), call.parameters
    quote = desk.host.tape.quote(listing.symbol)
    name = p.client_id("listClientOrderId") or new_id()
    orders = [read_order(p, listing, quote, part) for part in parts]
    _check_parts(shape, orders)
    orders[-2:] = sorted(orders[-2:], key=lambda order: order.stop is not None) if shape != "oto" else orders[-2:]
    tagged = tuple(_tagged(order, name) for order in orders)
    reports = await desk.execute(Submit(account=call.account, orders=tagged, shape=shape, self_trade=self_trade_of(p)), call)
    return _answer(_members(reports), listing)


def _check_parts(shape: Shape, orders: list[NewOrder]) -> None:
    if shape in ("oto", "bracket") and orders[0].type != "limit":
        raise VenueError(-1128, "Combination of optional parameters invalid.")
    pair = orders[-2:] if shape in ("oco", "bracket") else []
    if pair and [order.type == "limit" for order in pair].count(True) != 1:
        raise VenueError(-1128, "Combination of optional parameters invalid.")


def _tagged(order: NewOrder, name: str) -> NewOrder:
    return replace(order, tags=order.tags | {LIST: name})


def _members(reports: list[Report]) -> list[Order]:
    ids = dict.fromkeys(r.order.id for r in reports if r.order is not None and r.order.group)
    return [newest(reports, order) for order in ids]


def _answer(orders: list[Order], listing: Listing) -> Json:
    return order_list(orders, listing) | {"orderReports": [placed(order, (), listing, "RESULT") for order in orders]}


async def cancel(desk: Desk, call: Call) -> object:
    """`DELETE /api/v3/orderList`: all of its orders that are live."""
    listing, p = desk.symbols.needed(call.parameters), call.parameters
    number, name = p.integer("orderListId"), p.text("listClientOrderId")
    if number is None and name is None:
        raise VenueError(-1102, "Param 'listClientOrderId' or 'orderListId' must be sent, but both were empty/null!")
    for key, orders in reversed(lists_of(desk, call).items()):
        named = key == number if number is not None else orders[0].asked.tags.get(LIST) == name
        live = [order for order in orders if order.live]
        if named and live and orders[0].asked.symbol == listing.symbol:
            reports = await desk.execute(Cancel(account=call.account, order=live[0].id), call)
            ended = _members(reports)
            return order_list(ended, listing) | {"orderReports": [canceled(order, listing, new_id()) for order in ended]}
    raise VenueError(-2011, "Unknown order list sent.")
