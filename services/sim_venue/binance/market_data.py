"""What anybody may ask: depth, trades, candles, tickers."""

from collections.abc import Callable, Sequence
from typing import Final

from libs.domain.market import TradeTick
from libs.quant.sim_venue.listings import Listing
from services.sim_venue.binance import klines, tickers, trades
from services.sim_venue.binance.desk import Call, Desk
from services.sim_venue.binance.errors import VenueError, invalid, missing
from services.sim_venue.binance.figures import ms, ns, shown
from services.sim_venue.binance.order_answers import Json
from services.sim_venue.binance.parameters import Parameters
from services.sim_venue.binance.symbols import wire

_FIVE_MINUTES: Final = 5 * 60_000_000_000


async def depth(desk: Desk, call: Call) -> object:
    """`/api/v3/depth`. More levels than a diff stream is about are not shown."""
    listing = desk.symbols.needed(call.parameters)
    return desk.book(listing).snapshot(call.parameters.limit(100, 5000))


async def recent_trades(desk: Desk, call: Call) -> object:
    """`/api/v3/trades`: the newest."""
    listing, limit = desk.symbols.needed(call.parameters), call.parameters.limit(500, 1000)
    return _spelled(await trades.latest(desk.host.tape, listing.symbol, desk.host.now(), limit), limit, trades.public)


async def historical_trades(desk: Desk, call: Call) -> object:
    """`/api/v3/historicalTrades`: from an id on, of the last day."""
    listing, first = desk.symbols.needed(call.parameters), call.parameters.integer("fromId")
    if first is None:
        return await recent_trades(desk, call)
    limit = call.parameters.limit(500, 1000)
    found = await trades.since_id(desk.host.tape, listing.symbol, desk.host.now(), first, limit)
    return _spelled_from(found, first, limit, trades.public)


async def aggregate_trades(desk: Desk, call: Call) -> object:
    """`/api/v3/aggTrades`: the newest, from an id on, or of a stretch of time."""
    listing, p = desk.symbols.needed(call.parameters), call.parameters
    tape, now, limit = desk.host.tape, desk.host.now(), p.limit(500, 1000)
    first, start, end = p.integer("fromId"), p.integer("startTime"), p.integer("endTime")
    if first is not None:
        if start is not None or end is not None:
            raise VenueError(-1128, "Combination of optional parameters invalid.")
        return _spelled_from(await trades.since_id(tape, listing.symbol, now, first, limit), first, limit, trades.aggregate)
    if start is None:
        until = now if end is None else min(now, ns(end + 1) - 1)
        return _spelled(await trades.latest(tape, listing.symbol, until, limit), limit, trades.aggregate)
    until = now + 1 if end is None else min(now + 1, ns(end + 1))
    found = await tape.older_trades(listing.symbol, ns(start), until, limit)
    return [trades.aggregate(*pair) for pair in zip(found, trades.makers(found), strict=True)]


Spelled = Callable[[TradeTick, bool], Json]


def _spelled(found: Sequence[TradeTick], limit: int, spelled: Spelled) -> list[Json]:
    return [spelled(*pair) for pair in zip(found, trades.makers(found), strict=True)][-limit:]


def _spelled_from(found: Sequence[TradeTick], first: int, limit: int, spelled: Spelled) -> list[Json]:
    both = zip(found, trades.makers(found), strict=True)
    return [spelled(trade, side) for trade, side in both if trade.seq >= first][:limit]


async def candles(desk: Desk, call: Call) -> object:
    """`/api/v3/klines` and `/api/v3/uiKlines`: the newest, or of a stretch of time."""
    listing, p = desk.symbols.needed(call.parameters), call.parameters
    interval = klines.check(p.need("interval"))
    if p.text("timeZone") not in (None, "0", "+00:00"):
        raise invalid("timeZone")  # candles of this venue are of UTC
    start, end, limit = p.integer("startTime"), p.integer("endTime"), p.limit(500, 1000)
    tape, until = desk.host.tape, desk.host.now() + 1
    if end is not None:
        until = min(until, ns(end) + 1)
    if start is not None and ns(start) >= until:
        return []
    if start is None:
        found = klines.newest(tape, listing.symbol, interval, until, limit)
    else:
        found = klines.candles(tape, listing.symbol, interval, ns(start), until, limit)
    return [klines.row(bar, interval) for bar in found]


async def average_price(desk: Desk, call: Call) -> object:
    """`/api/v3/avgPrice`: of five minutes; the last price where nothing has traded in them."""
    listing = desk.symbols.needed(call.parameters)
    return average(desk, listing)


def average(desk: Desk, listing: Listing) -> Json:
    """The average price of five minutes."""
    tape, now = desk.host.tape, desk.host.now()
    s = tickers.statistics(tape, listing, now, _FIVE_MINUTES)
    trade = tape.trade(listing.symbol)
    price = s.average or tickers.last_price(tape, listing)
    return {"mins": 5, "price": shown(price), "closeTime": ms(trade.ts if trade is not None else now)}


def _one_or_many(p: Parameters, answers: list[Json]) -> object:
    """One answer to `symbol`, a list to `symbols` and to neither."""
    return answers[0] if "symbol" in p else answers


def _wants_mini(p: Parameters) -> bool:
    return p.choice("type", {"FULL": False, "MINI": True}, False, invalid("type"))


async def day_ticker(desk: Desk, call: Call) -> object:
    """`/api/v3/ticker/24hr`."""
    tape, now, mini = desk.host.tape, desk.host.now(), _wants_mini(call.parameters)
    answers: list[Json] = []
    for listing in desk.symbols.asked(call.parameters):
        s = tickers.statistics(tape, listing, now)
        answers.append(tickers.mini(s) if mini else tickers.full(s, tape.quote(listing.symbol)))
    return _one_or_many(call.parameters, answers)


async def rolling_ticker(desk: Desk, call: Call) -> object:
    """`/api/v3/ticker`: of a window of its own."""
    p = call.parameters
    if "symbol" not in p and "symbols" not in p:
        raise missing("symbol")
    length = tickers.window(p.text("windowSize") or "1d")
    spelled = tickers.mini if _wants_mini(p) else tickers.rolling
    found = [tickers.statistics(desk.host.tape, listing, desk.host.now(), length) for listing in desk.symbols.asked(p)]
    return _one_or_many(p, [spelled(s) for s in found])


async def price_ticker(desk: Desk, call: Call) -> object:
    """`/api/v3/ticker/price`."""
    tape = desk.host.tape
    prices = [(listing, tickers.last_price(tape, listing)) for listing in desk.symbols.asked(call.parameters)]
    return _one_or_many(call.parameters, [{"symbol": wire(listing.symbol), "price": shown(price)} for listing, price in prices])


async def book_ticker(desk: Desk, call: Call) -> object:
    """`/api/v3/ticker/bookTicker`."""
    listings = desk.symbols.asked(call.parameters)
    found = [tickers.book_ticker(listing, desk.host.exchange.depth(listing.symbol, 1)) for listing in listings]
    return _one_or_many(call.parameters, found)
