"""What is Binance's own: documented codes, the frames of its streams read as they are sent, and what a key may do.

The frames are read here and not by ccxt, which keeps the newest state of an order only, adds fees up as floats, and has
no client id on a trade. Fields: Binance Spot API, "User Data Streams" and "WebSocket Streams".
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from libs.domain.instruments import Instrument
from libs.domain.market import Quote, TradeTick
from libs.domain.orders import Evidence, Order
from libs.domain.trades import Fill
from libs.venues.broker import NotSent, OrderReport, WrongKey
from libs.venues.ccxt_venue.mapping import MS, Unreadable, decimal, plain, text
from libs.venues.ccxt_venue.outcomes import Answered, Verdict

_SAYS_NOTHING: Final = ("-1000", "-1001", "-1004", "-1006", "-1007", "-1008", "-1016")
_NOT_REPLACED: Final = ("-2021", "-2022")
_SAYS_NO: Final = ("-1002", "-1003", "-1010", "-1013", "-1014", "-1015", "-1020", "-1021", "-1099")
_REJECTED: Final = ("-2010", "-2011", "-2013", "-2016", "-2026")
_OF_THE_KEY: Final = ("-1022", "-2008", "-2014", "-2015")
_CODES: Final[Mapping[str, Verdict]] = {
    **dict.fromkeys(_SAYS_NOTHING, "unknown"),
    **dict.fromkeys(_SAYS_NO, "refused"),  # 429 and 418 come with -1003 or -1015: turned away before they were looked at
    **{str(-code): "refused" for code in range(1100, 1200)},  # a parameter is wrong
    **dict.fromkeys(_REJECTED, "refused"),
    **dict.fromkeys(_OF_THE_KEY, "wrong key"),
}
"""By code. -1006 and -1007 are documented as "execution status unknown"; what is not listed here goes by ccxt's class."""

NO_SUCH_ORDER: Final = "-2013"
PING: Final = {"id": "alive", "method": "ping"}
"""A request over the socket of the user stream: its answer proves that what is behind the socket is alive."""
LIST: Final = {"id": 0, "method": "LIST_SUBSCRIPTIONS"}
"""The same over a socket of market data."""

_ENDS: Final = {
    "NEW": Evidence.ACCEPTED,
    "CANCELED": Evidence.CANCELED,
    "EXPIRED": Evidence.EXPIRED,
    "TRADE_PREVENTION": Evidence.EXPIRED,
    "REJECTED": Evidence.REJECTED,
}


def documented(answered: Answered) -> Verdict | None:
    """What Binance's documents say of an answer. A client id that is there already may be there from our own request."""
    if answered.message.startswith("Duplicate order"):
        return "unknown"
    if answered.code in _NOT_REPLACED:
        return _of_the_new_order(answered.data)
    return _CODES.get(answered.code or "")


def _of_the_new_order(data: object) -> Verdict:
    """A cancel-and-replace of which something failed: what became of the new order, whatever became of the old one."""
    told = data if isinstance(data, dict) else {}
    if told.get("newOrderResult") == "NOT_ATTEMPTED":
        return "refused"
    said = told.get("newOrderResponse")
    if told.get("newOrderResult") != "FAILURE" or not isinstance(said, dict) or str(said.get("msg", "")).startswith("Duplicate order"):
        return "unknown"
    return _CODES.get(str(said.get("code")), "unknown")


def pair_request(orders: Sequence[Order], instrument: Instrument, market_id: str) -> dict[str, str]:
    """The parameters of `POST /api/v3/orderList/oco`: a limit maker on the one side of the market, a stop loss on the other.

    Raises:
        NotSent: they are no such pair, or off the instrument's grid.
    """
    first = orders[0]
    kinds = {order.order_type: order for order in orders}
    limit, stop = kinds.get("limit"), kinds.get("stop")
    if len(orders) != 2 or limit is None or stop is None or limit.price is None or stop.stop_price is None:
        raise NotSent(f"{first.client_order_id}: expected a limit and a stop that cancel each other, got {', '.join(kinds)}")
    if limit.quantity != stop.quantity or limit.side != stop.side:
        raise NotSent(f"{first.client_order_id}: both orders of a pair are of one side and quantity")
    try:
        instrument.lots(first.quantity)
        instrument.ticks(limit.price)
        instrument.ticks(stop.stop_price)
    except ValueError as error:
        raise NotSent(f"{first.client_order_id}: {error}") from error
    above, below = ("above", "below") if first.side == "sell" else ("below", "above")
    return {
        "symbol": market_id,
        "side": first.side.upper(),
        "quantity": plain(first.quantity),
        f"{above}Type": "LIMIT_MAKER",
        f"{above}Price": plain(limit.price),
        f"{above}ClientOrderId": limit.client_order_id,
        f"{below}Type": "STOP_LOSS",
        f"{below}StopPrice": plain(stop.stop_price),
        f"{below}ClientOrderId": stop.client_order_id,
        "newOrderRespType": "RESULT",
    }


def names_in_pair(answer: object) -> set[str]:
    """The client ids of the orders that the answer speaks of."""
    orders = answer.get("orders") if isinstance(answer, dict) else None
    return {str(order.get("clientOrderId")) for order in orders or () if isinstance(order, dict)}


def event_of(message: object) -> Mapping[str, Any] | None:
    """The event inside a frame, whatever it is wrapped in; None: it is the answer to a request."""
    for wrapper in ("event", "data"):
        if isinstance(message, dict) and isinstance(message.get(wrapper), dict):
            message = message[wrapper]
    return message if isinstance(message, dict) and ("e" in message or "u" in message) else None


def report_of(event: Mapping[str, Any], symbols: Mapping[str, str], quotes: Mapping[str, str]) -> Fill | OrderReport | None:
    """What an executionReport says; None: nothing about an order, or nothing new.

    Args:
        symbols: ours, by Binance's.
        quotes: the currency that prices of a symbol are in.

    Raises:
        Unreadable: a field is missing.
    """
    if event.get("e") != "executionReport" or event.get("s") not in symbols:
        return None
    symbol, kind = symbols[event["s"]], event.get("x")
    client_id = text(event.get("C") or event.get("c"), "client id of an executionReport")
    filled, time = decimal(event.get("z"), f"filled quantity of {client_id}"), _time(event, "T")
    if kind in _ENDS:
        reason = event.get("r")
        return OrderReport(client_id, _ENDS[kind], filled, time, kind.lower() if reason in (None, "NONE") else str(reason))
    if kind != "TRADE":
        return None
    side = str(event.get("S")).lower()
    if side not in ("buy", "sell"):
        raise Unreadable(f"expected BUY or SELL as side of {client_id}, got {event.get('S')!r}")
    currency = event.get("N")
    return Fill(
        exec_key=f"{symbol}:{text(event.get('t'), f'trade id of {client_id}')}",
        client_order_id=client_id,
        symbol=symbol,
        side="buy" if side == "buy" else "sell",
        quantity=decimal(event.get("l"), f"quantity of a fill of {client_id}"),
        price=decimal(event.get("L"), f"price of a fill of {client_id}"),
        fee=Decimal(0) if currency is None else decimal(event.get("n"), f"fee of {client_id}"),
        fee_currency=currency or quotes[symbol],
        liquidity="maker" if event.get("m") else "taker",
        executed_at=time,
        cumulative=filled,
    )


def trade_of(event: Mapping[str, Any], symbol: str, venue: str) -> tuple[int, TradeTick]:
    """An aggregate trade and its id, `seq` still to be given: aggregates are what can be asked for again by time."""
    price, size = float(event["p"]), float(event["q"])
    return int(event["a"]), TradeTick(venue=venue, symbol=symbol, seq=0, ts=_time(event, "T"), price=price, size=size)


def quote_of(event: Mapping[str, Any], symbol: str, venue: str, now: int) -> Quote:
    """A bookTicker, `seq` still to be given. Spot sends it without a time of its own, and it is dated `now` then."""
    ts = _time(event, "E") if "E" in event else now
    bid, ask, bid_size, ask_size = (float(event[field]) for field in ("b", "a", "B", "A"))
    return Quote(venue=venue, symbol=symbol, seq=0, ts=ts, bid=bid, ask=ask, bid_size=bid_size, ask_size=ask_size)


def check_rights(rights: Mapping[str, Any]) -> list[str]:
    """What a live key may do that it should not, for the log.

    Args:
        rights: as `GET /sapi/v1/account/apiRestrictions` has them.

    Raises:
        WrongKey: it may withdraw, or may not trade.
    """
    if rights.get("enableWithdrawals"):
        raise WrongKey(
            "this Binance key may withdraw coins, and a key that only trades is enough: make one without "
            '"Enable Withdrawals" and put it in its place'
        )
    if rights.get("enableSpotAndMarginTrading") is False:
        raise WrongKey('this Binance key may not trade: tick "Enable Spot & Margin Trading" for it')
    if rights.get("ipRestrict") is False:
        return ["this Binance key may be used from any address: restrict it to the address of this machine"]
    return []


def _time(event: Mapping[str, Any], field: str) -> int:
    return int(decimal(event.get(field), f"time {field} of a {event.get('e')}")) * MS
