"""What an account asks about itself: balances, fees, trades, counts."""

from itertools import islice
from typing import Final

from libs.quant.sim_venue.listings import Fees
from libs.quant.sim_venue.orders import Execution
from services.sim_venue.binance.desk import Call, Desk
from services.sim_venue.binance.errors import VenueError
from services.sim_venue.binance.figures import ZERO, exact, ms, ns, rate
from services.sim_venue.binance.order_answers import Json, own_trade
from services.sim_venue.binance.symbols import wire

_DAY_MS: Final = 86_400_000


async def account(desk: Desk, call: Call) -> object:
    """`/api/v3/account`."""
    view = desk.account(call.account)
    fees = _fees(desk)
    held = desk.holdings(view).all(desk.symbols.assets)
    hide = call.parameters.flag("omitZeroBalances", False)
    updated = max([view.opened_at, *(order.updated_at for order in islice(reversed(view.orders.values()), 1))])
    return {
        "makerCommission": int(fees.maker_bps),
        "takerCommission": int(fees.taker_bps),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": _rates(fees),
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": ms(updated),
        "accountType": "SPOT",
        "balances": [
            {"asset": name, "free": exact(free), "locked": exact(locked)}
            for name, (free, locked) in held.items()
            if free or locked or not hide
        ],
        "permissions": ["SPOT"],
        "uid": _uid(call.account),
    }


def _uid(account: str) -> int:
    return int.from_bytes(account.encode()[:6].ljust(6, b"\0"), "big")


def _fees(desk: Desk) -> Fees:
    listing = next(iter(desk.symbols), None)
    return listing.fees if listing is not None else Fees()


def _rates(fees: Fees) -> Json:
    return {"maker": rate(fees.maker_bps), "taker": rate(fees.taker_bps), "buyer": ZERO, "seller": ZERO}


async def commission(desk: Desk, call: Call) -> object:
    """`/api/v3/account/commission`."""
    listing = desk.symbols.needed(call.parameters)
    none = {"maker": ZERO, "taker": ZERO, "buyer": ZERO, "seller": ZERO}
    return {
        "symbol": call.parameters.need("symbol"),
        "standardCommission": _rates(listing.fees),
        "specialCommission": none,
        "taxCommission": none,
        "discount": {"enabledForAccount": False, "enabledForSymbol": False, "discountAsset": "BNB", "discount": ZERO},
    }


async def trade_fees(desk: Desk, call: Call) -> object:
    """`/sapi/v1/asset/tradeFee`."""
    listings = [desk.symbols.needed(call.parameters)] if "symbol" in call.parameters else list(desk.symbols)
    return [
        {
            "symbol": wire(listing.symbol),
            "makerCommission": rate(listing.fees.maker_bps),
            "takerCommission": rate(listing.fees.taker_bps),
        }
        for listing in listings
    ]


async def my_trades(desk: Desk, call: Call) -> object:
    """`/api/v3/myTrades`: the newest, or from an id or a time on. One that was busted is none."""
    listing, p = desk.symbols.needed(call.parameters), call.parameters
    view = desk.account(call.account)
    order, first = p.integer("orderId"), p.integer("fromId")
    start, end = span(p.integer("startTime"), p.integer("endTime"))
    if first is not None and (start is not None or end is not None):
        raise VenueError(-1128, "Combination of optional parameters invalid.")
    limit = p.limit(500, 1000)

    def wanted(e: Execution) -> bool:
        return (
            e.symbol == listing.symbol
            and e.id not in view.busted
            and (order is None or e.order == order)
            and (start is None or e.at >= ns(start))  # ids rise, times need not: fills have the time of the event that they met
            and (end is None or e.at < ns(end + 1))
        )

    found: list[Execution] = []
    forwards = first is not None or start is not None
    for execution in reversed(view.executions.values()):
        if first is not None and execution.id < first:
            break
        if wanted(execution):
            found.append(execution)
            if not forwards and len(found) == limit:
                break
    found.reverse()
    return [own_trade(e, view.orders[e.order], listing) for e in found[:limit]]


def span(start: int | None, end: int | None) -> tuple[int | None, int | None]:
    """A stretch of time that an account may be asked for.

    Raises:
        VenueError: it ends before it begins, or is longer than a day.
    """
    if start is not None and end is not None:
        if start > end:
            raise VenueError(-1128, "Combination of optional parameters invalid.")
        if end - start > _DAY_MS:
            raise VenueError(-1127, "More than 24 hours between startTime and endTime.")
    return start, end


async def order_counts(desk: Desk, call: Call) -> object:
    """`/api/v3/rateLimit/order`."""
    used = desk.meter.orders(call.account, 0, desk.limits, desk.host.wire_time_ns())
    return [window.described() | {"count": number} for window, number in used]


async def capital(desk: Desk, call: Call) -> object:
    """`/sapi/v1/capital/config/getall`: assets that are held, none of which can be paid in or out."""
    held = desk.holdings(desk.account(call.account)).all(desk.symbols.assets)
    return [
        {
            "coin": name,
            "name": name,
            "free": exact(free),
            "locked": exact(locked),
            "freeze": "0",
            "withdrawing": "0",
            "ipoing": "0",
            "ipoable": "0",
            "storage": "0",
            "isLegalMoney": name not in {listing.base for listing in desk.symbols} and name != "USDT",
            "trading": True,
            "depositAllEnable": False,
            "withdrawAllEnable": False,
            "networkList": [],
        }
        for name, (free, locked) in held.items()
    ]


async def nothing(desk: Desk, call: Call) -> object:
    """An honest empty list: there is no margin here."""
    return []
