"""/v2/positions: what is held, and market orders that close it."""

from decimal import Decimal
from typing import Final

from aiohttp import web

from libs.quant.calendars import last_close
from libs.quant.sim_venue.commands import CancelAll
from libs.quant.sim_venue.listings import Listing
from services.sim_venue.alpaca import order_answers, query
from services.sim_venue.alpaca.assets import EXCHANGE
from services.sim_venue.alpaca.door import Call
from services.sim_venue.alpaca.errors import Problem, not_found, unprocessable
from services.sim_venue.alpaca.history import Closes
from services.sim_venue.alpaca.identity import asset_uuid
from services.sim_venue.alpaca.market_hours import CALENDAR
from services.sim_venue.alpaca.order_json import ASSET_CLASS
from services.sim_venue.alpaca.order_requests import Standing, closing
from services.sim_venue.alpaca.valuation import Holding, before, held_for_orders, holding, holdings
from services.sim_venue.alpaca.wire import Json, answer, rounded, text

_ZERO: Final = Decimal(0)


def position_json(held: Holding, kept: int, yesterday: Decimal | None, lots_yesterday: int) -> Json:
    """One position. `kept` lots of it are spoken for by open orders; `yesterday` is the last day's closing price.

    What was not there at that close gained nothing overnight: its gain of today is counted from what it cost.
    """
    instrument = held.listing.instrument
    last = held.price if yesterday is None else yesterday
    gain = held.value - held.basis
    since = held.cost if not lots_yesterday else last
    today = held.quantity * (held.price - since) * instrument.multiplier
    base = abs(held.quantity * since * instrument.multiplier)
    sign = 1 if held.lots > 0 else -1
    return {
        "asset_id": str(asset_uuid(instrument.symbol)),
        "symbol": instrument.symbol,
        "exchange": EXCHANGE,
        "asset_class": ASSET_CLASS,
        "asset_marginable": True,
        "qty": text(held.quantity),
        "qty_available": text(instrument.quantity(held.lots - sign * kept)),
        "avg_entry_price": text(rounded(held.cost, 9)),
        "side": "long" if held.lots > 0 else "short",
        "market_value": _money(held.value),
        "cost_basis": _money(held.basis),
        "unrealized_pl": _money(gain),
        "unrealized_plpc": _share(gain, abs(held.basis)),
        "unrealized_intraday_pl": _money(today),
        "unrealized_intraday_plpc": _share(today, base),
        "current_price": text(held.price),
        "lastday_price": text(last),
        "change_today": _share(held.price - last, last),
    }


async def all_positions(call: Call) -> web.Response:
    """GET /v2/positions"""
    return answer([_shown(call, held) for held in holdings(call.account, call.listings, call.tape)])


async def one_position(call: Call) -> web.Response:
    """GET /v2/positions/{symbol or asset id}"""
    return answer(_shown(call, _held(call, _listing(call))))


async def close_one(call: Call) -> web.Response:
    """DELETE /v2/positions/{symbol or asset id}?qty=&percentage="""
    held = _held(call, _listing(call))
    return answer(await _close(call, held, _lots_to_close(call, held)))


async def close_all(call: Call) -> web.Response:
    """DELETE /v2/positions?cancel_orders=: an answer for each, as what was done for one may not be for another."""
    if query.flag(call.query, "cancel_orders"):
        await call.execute(CancelAll(account=call.name))
    rows = []
    for held in holdings(call.account, call.listings, call.tape):
        symbol = held.listing.symbol
        try:
            order = await _close(call, held, abs(held.lots))
        except Problem as problem:
            rows.append({"symbol": symbol, "status": problem.status, "body": problem.body})
        else:
            rows.append({"symbol": symbol, "order_id": order["id"], "status": 200, "body": order})
    return answer(rows, 207)


def _shown(call: Call, held: Holding) -> Json:
    symbol = held.listing.symbol
    closed = last_close(CALENDAR, call.now)
    lots = before(call.account, closed).positions.get(symbol, 0)
    yesterday = Closes(call.tape, closed, closed).before(symbol, closed)
    return position_json(held, held_for_orders(call.account, symbol), yesterday, lots)


def _listing(call: Call) -> Listing:
    asset = call.part("asset")
    listing = call.listings.get(asset) or call.by_asset_id.get(asset.lower())
    if listing is None:
        raise not_found(f"symbol not found: {asset[:40]}")
    return listing


def _held(call: Call, listing: Listing) -> Holding:
    held = holding(call.account, call.listings, call.tape, listing.symbol)
    if held is None:
        raise not_found("position does not exist")
    return held


async def _close(call: Call, held: Holding, lots: int) -> Json:
    standing = Standing(call.name, held.listing, held.lots, held.price)
    return await order_answers.taken(call, closing(standing, lots))


def _lots_to_close(call: Call, held: Holding) -> int:
    """All of it, so many of it, or a share of it in percent, rounded down to a lot."""
    quantity, share = query.number(call.query, "qty"), query.number(call.query, "percentage")
    if quantity is not None and share is not None:
        raise unprocessable("only one of qty or percentage is accepted")
    if share is not None and share > 100:
        raise unprocessable("percentage must be between 0 and 100")
    lots = abs(held.lots)
    if share is not None:
        lots = int(lots * share / 100)
    if quantity is not None:
        try:
            lots = held.listing.instrument.lots(quantity)
        except ValueError as error:
            raise unprocessable(f"qty must be a multiple of {text(held.listing.instrument.lot)}") from error
    if lots < 1:
        raise unprocessable("qty must be > 0")
    return lots


def _money(value: Decimal) -> str:
    return text(rounded(value, 9))


def _share(part: Decimal, whole: Decimal) -> str:
    return text(rounded(part / whole, 9)) if whole else "0"
