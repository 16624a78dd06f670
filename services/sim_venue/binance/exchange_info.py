"""`/api/v3/exchangeInfo`: what is listed here, on which terms."""

from typing import Final

from libs.quant.sim_venue.listings import Listing
from services.sim_venue.binance.desk import Call, Desk
from services.sim_venue.binance.errors import VenueError, invalid
from services.sim_venue.binance.figures import ms
from services.sim_venue.binance.filters import described
from services.sim_venue.binance.order_answers import Json
from services.sim_venue.binance.order_requests import SELF_TRADES, TYPES
from services.sim_venue.binance.symbols import wire

_STATUSES: Final = ("TRADING", "HALT", "BREAK")


async def exchange_info(desk: Desk, call: Call) -> object:
    """All pairs, or those of `symbol`, `symbols`, `permissions` or `symbolStatus`."""
    p = call.parameters
    named = "symbol" in p or "symbols" in p
    if named and ("permissions" in p or "symbolStatus" in p):
        raise VenueError(-1128, "Combination of optional parameters invalid.")
    status = p.text("symbolStatus")
    if status is not None and status not in _STATUSES:
        raise invalid("symbolStatus")
    listings = desk.symbols.asked(p) if _spot(p.text("permissions")) else []
    sets = p.flag("showPermissionSets", True)
    shown = [_pair(listing, listing.symbol in desk.host.view.halted, sets) for listing in listings]
    return {
        "timezone": "UTC",
        "serverTime": ms(desk.host.wire_time_ns()),
        "rateLimits": [window.described() for window in desk.limits],
        "exchangeFilters": [],
        "symbols": [pair for pair in shown if status in (None, pair["status"])],
    }


def _spot(permissions: str | None) -> bool:
    return permissions is None or '"SPOT"' in permissions or permissions == "SPOT"


def _pair(listing: Listing, halted: bool, sets: bool) -> Json:
    pair: Json = {
        "symbol": wire(listing.symbol),
        "status": "HALT" if halted else "TRADING",
        "baseAsset": listing.base,
        "baseAssetPrecision": 8,
        "quoteAsset": listing.instrument.currency,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": list(TYPES),
        "icebergAllowed": False,
        "ocoAllowed": True,
        "otoAllowed": True,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": False,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": described(listing),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": list(SELF_TRADES),
    }
    if not sets:
        del pair["permissionSets"]
    return pair


async def ping(desk: Desk, call: Call) -> object:
    """`/api/v3/ping`."""
    return {}


async def time(desk: Desk, call: Call) -> object:
    """`/api/v3/time`: this machine's, which signatures are checked against; the market may be in another year."""
    return {"serverTime": ms(desk.host.wire_time_ns())}


async def system_status(desk: Desk, call: Call) -> object:
    """`/sapi/v1/system/status`."""
    return {"status": 0, "msg": "normal"}


async def no_contracts(desk: Desk, call: Call) -> object:
    """exchangeInfo of the futures venues, which lists nothing here: a client that loads all markets finds the spot ones."""
    return {
        "timezone": "UTC",
        "serverTime": ms(desk.host.wire_time_ns()),
        "rateLimits": [],
        "exchangeFilters": [],
        "assets": [],
        "symbols": [],
    }
