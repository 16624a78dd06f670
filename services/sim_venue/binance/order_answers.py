"""Orders and fills as the venue writes them in its answers: pure functions from what the core keeps to JSON."""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from libs.domain.orders import OrderType
from libs.quant.sim_venue.listings import Listing
from libs.quant.sim_venue.orders import Execution, NewOrder, Order
from services.sim_venue.binance.figures import ZERO, exact, ms
from services.sim_venue.binance.symbols import wire

Json = dict[str, object]


def encoded(answer: object) -> str:
    """An answer or an event as text."""
    return str(msgspec.json.encode(answer), "utf-8")


Detail = Literal["ACK", "RESULT", "FULL"]

_TYPES: Final[dict[OrderType, str]] = {
    "limit": "LIMIT",
    "market": "MARKET",
    "stop": "STOP_LOSS",
    "stop_limit": "STOP_LOSS_LIMIT",
    "trailing_stop": "STOP_LOSS",
}
SELF_TRADE: Final = "stp"
QUOTE_QUANTITY: Final = "quoteOrderQty"
LIST: Final = "list"
"""Tags of an order: what its client asked for and the venue has no field of."""


def type_of(asked: NewOrder) -> str:
    """`LIMIT_MAKER`, `STOP_LOSS_LIMIT` and so on."""
    return "LIMIT_MAKER" if asked.post_only else _TYPES[asked.type]


def time_in_force(asked: NewOrder) -> str:
    """A market order shows GTC, whatever it did."""
    return "GTC" if asked.type == "market" or asked.tif not in ("GTC", "IOC", "FOK") else asked.tif


def status_of(order: Order) -> str:
    """`NEW`, `PARTIALLY_FILLED` and so on."""
    match order.status:
        case "open":
            return "PARTIALLY_FILLED" if order.filled else "NEW"
        case "held":
            return "PENDING_NEW"
        case "filled":
            return "FILLED"
        case "expired":
            return "EXPIRED_IN_MATCH" if order.reason == "self_trade" else "EXPIRED"
        case "canceled" | "replaced":
            return "CANCELED"


def waits(order: Order) -> bool:
    """Whether it is not on the book yet: held back by another order, or a stop that nothing has triggered."""
    return order.status == "held" or (order.asked.type in ("stop", "stop_limit", "trailing_stop") and not order.triggered)


def list_id(order: Order) -> int:
    """Of its order list; -1 where it stands alone."""
    return order.group or -1


def quote_filled(order: Order, listing: Listing) -> str:
    """Money of all of its fills."""
    return exact(listing.notional(order.value, 1))


def _terms(order: Order, listing: Listing) -> Json:
    """What most answers say of an order."""
    i, asked = listing.instrument, order.asked
    terms: Json = {
        "price": ZERO if asked.limit is None else exact(i.price(asked.limit)),
        "origQty": exact(i.quantity(order.lots)),
        "executedQty": exact(i.quantity(order.filled)),
        "origQuoteOrderQty": asked.tags.get(QUOTE_QUANTITY, ZERO),
        "cummulativeQuoteQty": quote_filled(order, listing),
        "status": status_of(order),
        "timeInForce": time_in_force(asked),
        "type": type_of(asked),
        "side": asked.side.upper(),
    }
    if order.stop is not None and asked.trail_bps is None:
        terms["stopPrice"] = exact(i.price(order.stop))
    if asked.trail_bps is not None:
        terms |= {"trailingDelta": int(asked.trail_bps), "trailingTime": ms(order.created_at)}
    return terms | {name: int(asked.tags[name]) for name in ("strategyId", "strategyType") if name in asked.tags}


def stp_mode(order: Order) -> str:
    """As it was asked, or as the account has it."""
    return order.asked.tags.get(SELF_TRADE, "EXPIRE_MAKER")


def placed(order: Order, fills: Iterable[Execution], listing: Listing, detail: Detail) -> Json:
    """The answer to a new order."""
    answer: Json = {
        "symbol": wire(listing.symbol),
        "orderId": order.id,
        "orderListId": list_id(order),
        "clientOrderId": order.asked.client_order_id,
        "transactTime": ms(order.updated_at),
    }
    if detail == "ACK":
        return answer
    answer |= _terms(order, listing) | {"selfTradePreventionMode": stp_mode(order)}
    if not waits(order):
        answer["workingTime"] = ms(order.created_at)
    if detail == "FULL":
        answer["fills"] = [_fill(execution, listing) for execution in fills]
    return answer


def _fill(execution: Execution, listing: Listing) -> Json:
    i = listing.instrument
    return {
        "price": exact(i.price(execution.ticks)),
        "qty": exact(i.quantity(execution.lots)),
        "commission": exact(execution.fee),
        "commissionAsset": execution.fee_currency,
        "tradeId": execution.id,
    }


def canceled(order: Order, listing: Listing, cancel_id: str) -> Json:
    """The answer to a cancel; `cancel_id` is the id of the cancel itself."""
    return {
        "symbol": wire(listing.symbol),
        "origClientOrderId": order.asked.client_order_id,
        "orderId": order.id,
        "orderListId": list_id(order),
        "clientOrderId": cancel_id,
        "transactTime": ms(order.updated_at),
        **_terms(order, listing),
        "selfTradePreventionMode": stp_mode(order),
    }


def queried(order: Order, listing: Listing) -> Json:
    """An order as it is asked for later."""
    return {
        "symbol": wire(listing.symbol),
        "orderId": order.id,
        "orderListId": list_id(order),
        "clientOrderId": order.asked.client_order_id,
        "stopPrice": ZERO,
        **_terms(order, listing),
        "icebergQty": ZERO,
        "time": ms(order.created_at),
        "updateTime": ms(order.updated_at),
        "isWorking": not waits(order),
        "workingTime": -1 if waits(order) else ms(order.created_at),
        "selfTradePreventionMode": stp_mode(order),
    }


def own_trade(execution: Execution, order: Order, listing: Listing) -> Json:
    """One of the account's fills. Its `id` is the `tradeId` of the order's answer and the `t` of its stream event."""
    i = listing.instrument
    return {
        "symbol": wire(listing.symbol),
        "id": execution.id,
        "orderId": execution.order,
        "orderListId": list_id(order),
        "price": exact(i.price(execution.ticks)),
        "qty": exact(i.quantity(execution.lots)),
        "quoteQty": exact(listing.notional(execution.lots, execution.ticks)),
        "commission": exact(execution.fee),
        "commissionAsset": execution.fee_currency,
        "time": ms(execution.at),
        "isBuyer": execution.side == "buy",
        "isMaker": execution.maker,
        "isBestMatch": True,
    }


def order_list(orders: Sequence[Order], listing: Listing) -> Json:
    """Orders that stand and fall together."""
    first = orders[0]
    live = any(order.live for order in orders)
    return {
        "orderListId": first.group,
        "contingencyType": "OCO" if first.shape == "oco" else "OTO",
        "listStatusType": "EXEC_STARTED" if live else "ALL_DONE",
        "listOrderStatus": "EXECUTING" if live else "ALL_DONE",
        "listClientOrderId": first.asked.tags.get(LIST, ""),
        "transactionTime": ms(max(order.updated_at for order in orders)),
        "symbol": wire(listing.symbol),
        "orders": [{"symbol": wire(listing.symbol), "orderId": order.id, "clientOrderId": order.asked.client_order_id} for order in orders],
    }
