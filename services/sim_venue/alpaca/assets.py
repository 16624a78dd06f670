"""/v2/assets: what is listed."""

from aiohttp import web

from libs.quant.sim_venue.listings import Listing
from services.sim_venue.alpaca.door import Call
from services.sim_venue.alpaca.errors import not_found
from services.sim_venue.alpaca.identity import asset_uuid
from services.sim_venue.alpaca.order_json import ASSET_CLASS
from services.sim_venue.alpaca.wire import Json, answer, text

EXCHANGE = "NASDAQ"


def asset_json(listing: Listing) -> Json:
    """One asset. The venue is one exchange; it goes under a name that clients know."""
    instrument = listing.instrument
    return {
        "id": str(asset_uuid(instrument.symbol)),
        "class": ASSET_CLASS,
        "exchange": EXCHANGE,
        "symbol": instrument.symbol,
        "name": instrument.symbol,
        "status": "active",
        "tradable": True,
        "marginable": True,
        "maintenance_margin_requirement": 30,
        "shortable": listing.shortable,
        "easy_to_borrow": listing.shortable,
        "fractionable": instrument.lot < 1,
        "min_trade_increment": text(instrument.lot),
        "price_increment": text(instrument.tick),
        "attributes": [],
    }


async def all_assets(call: Call) -> web.Response:
    """GET /v2/assets?status=&asset_class=&exchange=&attributes="""
    wanted = call.query
    nothing = (
        wanted.get("status", "active") not in ("active", "all")
        or wanted.get("asset_class", ASSET_CLASS) != ASSET_CLASS
        or wanted.get("exchange", EXCHANGE) != EXCHANGE
        or bool(wanted.get("attributes"))
    )
    return answer([] if nothing else [asset_json(call.listings[symbol]) for symbol in sorted(call.listings)])


async def one_asset(call: Call) -> web.Response:
    """GET /v2/assets/{symbol or id}"""
    return answer(asset_json(listed(call, call.part("asset"))))


def listed(call: Call, symbol_or_id: str) -> Listing:
    """The listing of a symbol or of an asset's id; 404 when there is none."""
    listing = call.listings.get(symbol_or_id) or call.by_asset_id.get(symbol_or_id.lower())
    if listing is None:
        raise not_found(f"asset not found for {symbol_or_id[:40]}")
    return listing
