"""/v2/orders: send, read, replace, cancel."""

from collections.abc import Callable, Iterable
from itertools import islice, takewhile

from aiohttp import web

from libs.quant.sim_venue.commands import Cancel, CancelAll
from libs.quant.sim_venue.listings import Listing
from libs.quant.sim_venue.orders import Order
from services.sim_venue.alpaca import query
from services.sim_venue.alpaca.door import Call
from services.sim_venue.alpaca.errors import bad_value, not_found, of_refusal, unprocessable
from services.sim_venue.alpaca.identity import uuid_of
from services.sim_venue.alpaca.order_answers import arrivals, as_taken, taken
from services.sim_venue.alpaca.order_bodies import OrderRequest, read_order, read_replace
from services.sim_venue.alpaca.order_json import is_leg, nested, order_json, status
from services.sim_venue.alpaca.order_requests import Standing, replace, submit
from services.sim_venue.alpaca.valuation import exact
from services.sim_venue.alpaca.wire import Json, answer

MOST_LISTED = 500


async def send(call: Call) -> web.Response:
    """POST /v2/orders"""
    asked = read_order(await call.body())
    return answer(await taken(call, submit(asked, _standing(call, _listing(call, asked.symbol), asked))))


async def listed(call: Call) -> web.Response:
    """GET /v2/orders?status=&limit=&after=&until=&direction=&nested=&symbols=&side="""
    limit = query.whole(call.query, "limit", 50, 1, MOST_LISTED)
    wanted = _wanted(call)
    newest_first = query.choice(call.query, "direction", ("asc", "desc"), "desc") == "desc"
    found = (order for order in _candidates(call, newest_first) if wanted(order))
    if not query.flag(call.query, "nested"):
        return answer([_shown(call, order) for order in islice(found, limit)])
    first = (order for order in found if not is_leg(order, call.account))
    return answer([_nested(call, order) for order in islice(first, limit)])


async def one(call: Call) -> web.Response:
    """GET /v2/orders/{order_id}?nested="""
    order = call.order()
    return answer(_nested(call, order) if query.flag(call.query, "nested") else _shown(call, order))


async def by_client_order_id(call: Call) -> web.Response:
    """GET /v2/orders:by_client_order_id?client_order_id="""
    given = call.query.get("client_order_id", "")
    if not given:
        raise bad_value("client_order_id is required")
    order = call.account.order_of(given)
    if order is None or order.asked.symbol not in call.listings:
        raise not_found(f"order not found for {given[:128]}")
    return answer(_nested(call, order))


async def change(call: Call) -> web.Response:
    """PATCH /v2/orders/{order_id}: a new order in the place of the old one."""
    asked = read_replace(await call.body())
    old = call.order()
    listing = call.listings[old.asked.symbol]
    now = status(old, listing, call.now)
    if now == "replaced":
        raise unprocessable("order already replaced")
    if now not in ("new", "partially_filled", "held"):
        raise unprocessable(f"cannot replace order in {now} status")
    if "notional" in old.asked.tags and asked.qty is not None:
        raise unprocessable("cannot replace qty of a notional order")
    outcome = await call.execute(replace(asked, old, _standing(call, listing)))
    if outcome.refusal is not None:
        raise of_refusal(outcome.refusal, old.asked.symbol)
    return answer(as_taken(arrivals(outcome.reports)[0], listing, call.now))


async def cancel(call: Call) -> web.Response:
    """DELETE /v2/orders/{order_id}"""
    number = call.order_number()
    outcome = await call.execute(Cancel(account=call.name, order=number))
    if outcome.refusal is None:
        return web.Response(status=204)
    if outcome.refusal.code == "not_open":
        order = call.account.orders.get(number)
        state = outcome.refusal.text if order is None else f'order is already in "{_shown(call, order)["status"]}" state'
        raise unprocessable(state)
    raise not_found(f"order not found for {call.part('order_id')}")


async def cancel_all(call: Call) -> web.Response:
    """DELETE /v2/orders: an answer for each, as what was done for one may not be for another."""
    outcome = await call.execute(CancelAll(account=call.name))
    ended = (report.order for report in outcome.reports if report.kind == "canceled" and report.order is not None)
    return answer([{"id": str(uuid_of("order", call.name, order.id)), "status": 200, "body": None} for order in ended], 207)


def _listing(call: Call, symbol: str) -> Listing:
    if not symbol:
        raise bad_value("symbol is required")
    listing = call.listings.get(symbol.upper())
    if listing is None:
        raise unprocessable(f'asset "{symbol[:40]}" not found')
    return listing


def _standing(call: Call, listing: Listing, asked: OrderRequest | None = None) -> Standing:
    """A notional is divided by what the market asks of a buyer, and offers a seller."""
    quote, price = call.tape.quote(listing.symbol), None
    if quote is not None and asked is not None and asked.notional is not None:
        price = exact(quote.bid if asked.side == "sell" else quote.ask)
    return Standing(call.name, listing, call.account.positions.get(listing.symbol, 0), price)


def _candidates(call: Call, newest_first: bool) -> Iterable[Order]:
    """Those that the status and `after` allow, by time of submission.

    Open ones are few and have an index. Of all others nobody looks at more than came after `after`: clients that poll ask for that.
    """
    which = query.choice(call.query, "status", ("open", "closed", "all"), "open")
    after = query.time(call.query, "after")
    found = call.account.open if which == "open" else call.account.orders
    recent = takewhile(lambda order: after is None or order.created_at > after, reversed(found.values()))
    ordered: Iterable[Order] = recent
    if not newest_first:
        ordered = found.values() if after is None else reversed(list(recent))
    return (order for order in ordered if which != "closed" or not order.live)


def _wanted(call: Call) -> Callable[[Order], bool]:
    symbols = set(query.words(call.query, "symbols"))
    side = query.choice(call.query, "side", ("buy", "sell", ""), "")
    until = query.time(call.query, "until")

    def wanted(order: Order) -> bool:
        asked = order.asked
        return (
            asked.symbol in call.listings
            and (not symbols or asked.symbol in symbols)
            and (not side or asked.side == side)
            and (until is None or order.created_at <= until)
        )

    return wanted


def _shown(call: Call, order: Order) -> Json:
    return order_json(order, call.listings[order.asked.symbol], call.now)


def _nested(call: Call, order: Order) -> Json:
    return nested(order, call.account, call.listings[order.asked.symbol], call.now)
