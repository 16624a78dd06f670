"""Orders as they are asked for: one, the open ones, all of a symbol."""

from libs.quant.sim_venue.orders import Order
from services.sim_venue.binance.account import span
from services.sim_venue.binance.desk import Call, Desk
from services.sim_venue.binance.errors import VenueError
from services.sim_venue.binance.figures import ns
from services.sim_venue.binance.order_answers import Json, order_list, queried


async def order(desk: Desk, call: Call) -> object:
    """`GET /api/v3/order`: by the venue's id or the client's; of several with one client id, the newest."""
    listing = desk.symbols.needed(call.parameters)
    number, client_id = call.parameters.integer("orderId"), call.parameters.text("origClientOrderId")
    if number is None and client_id is None:
        raise VenueError(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
    view = desk.account(call.account)
    found = view.orders.get(number) if number is not None else view.order_of(client_id or "")
    if found is None or found.asked.symbol != listing.symbol or client_id not in (None, found.asked.client_order_id):
        raise VenueError(-2013, "Order does not exist.")
    return queried(found, listing)


async def open_orders(desk: Desk, call: Call) -> object:
    """`GET /api/v3/openOrders`: of one symbol, or of all."""
    only = desk.symbols.needed(call.parameters).symbol if "symbol" in call.parameters else None
    found = [
        o for o in desk.account(call.account).open.values() if o.asked.symbol == only or (only is None and o.asked.symbol in desk.symbols)
    ]
    return [queried(o, desk.host.view.listings[o.asked.symbol]) for o in found]


async def all_orders(desk: Desk, call: Call) -> object:
    """`GET /api/v3/allOrders`: the newest of a symbol, or from an id or a time on."""
    listing, p = desk.symbols.needed(call.parameters), call.parameters
    first = p.integer("orderId")
    start, end = span(p.integer("startTime"), p.integer("endTime"))
    limit = p.limit(500, 1000)
    forwards = first is not None or start is not None
    found: list[Order] = []
    for one in reversed(desk.account(call.account).orders.values()):
        if (first is not None and one.id < first) or (start is not None and one.created_at < ns(start)):
            break
        if one.asked.symbol == listing.symbol and (end is None or one.created_at < ns(end + 1)):
            found.append(one)
            if not forwards and len(found) == limit:
                break
    found.reverse()
    return [queried(one, listing) for one in found[:limit]]


def lists_of(desk: Desk, call: Call) -> dict[int, list[Order]]:
    """The account's order lists, by id, oldest first."""
    groups: dict[int, list[Order]] = {}
    for one in desk.account(call.account).orders.values():
        if one.group and one.asked.symbol in desk.symbols:
            groups.setdefault(one.group, []).append(one)
    return groups


def described(desk: Desk, orders: list[Order]) -> Json:
    """One order list."""
    return order_list(orders, desk.host.view.listings[orders[0].asked.symbol])


async def one_list(desk: Desk, call: Call) -> object:
    """`GET /api/v3/orderList`: by its id, or by the client's."""
    number, client_id = call.parameters.integer("orderListId"), call.parameters.text("origClientOrderId")
    if number is None and client_id is None:
        raise VenueError(-1102, "Param 'origClientOrderId' or 'orderListId' must be sent, but both were empty/null!")
    for key, orders in reversed(lists_of(desk, call).items()):
        shown = described(desk, orders)
        if key == number or (number is None and shown["listClientOrderId"] == client_id):
            return shown
    raise VenueError(-2018, "Order list does not exist.")


async def open_lists(desk: Desk, call: Call) -> object:
    """`GET /api/v3/openOrderList`."""
    return [described(desk, orders) for orders in lists_of(desk, call).values() if any(one.live for one in orders)]


async def all_lists(desk: Desk, call: Call) -> object:
    """`GET /api/v3/allOrderList`: the newest, or from an id on."""
    first, limit = call.parameters.integer("fromId"), call.parameters.limit(500, 1000)
    found = [described(desk, orders) for key, orders in lists_of(desk, call).items() if first is None or key >= first]
    return found[:limit] if first is not None else found[-limit:]
