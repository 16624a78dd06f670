"""New orders as clients write them, to what the core is asked: every rule of the venue about which parameters go together."""

import secrets
import string
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from libs.domain.market import Quote
from libs.domain.orders import OrderType, Side
from libs.quant.sim_venue.listings import Listing, SelfTrade
from libs.quant.sim_venue.orders import NewOrder, Tif
from libs.quant.sizing import to_ticks
from services.sim_venue.binance.errors import NEW_ORDER_REJECTED, VenueError, filter_failure, missing
from services.sim_venue.binance.figures import exact
from services.sim_venue.binance.filters import TRAILING, check_notional, lots, ticks
from services.sim_venue.binance.order_answers import QUOTE_QUANTITY, SELF_TRADE, Detail
from services.sim_venue.binance.parameters import Parameters

SIDES: Final[dict[str, Side]] = {"BUY": "buy", "SELL": "sell"}
TYPES: Final[dict[str, OrderType]] = {
    "LIMIT": "limit",
    "LIMIT_MAKER": "limit",
    "MARKET": "market",
    "STOP_LOSS": "stop",
    "STOP_LOSS_LIMIT": "stop_limit",
}
"""Types that can be sent. TAKE_PROFIT and TAKE_PROFIT_LIMIT trigger the other way round, which this venue does not do."""
_TIFS: Final[dict[str, Tif]] = {"GTC": "GTC", "IOC": "IOC", "FOK": "FOK"}
SELF_TRADES: Final[dict[str, SelfTrade]] = {
    "NONE": "allow",
    "EXPIRE_TAKER": "expire_taker",
    "EXPIRE_MAKER": "expire_maker",
    "EXPIRE_BOTH": "expire_both",
}
_DETAILS: Final[dict[str, Detail]] = {"ACK": "ACK", "RESULT": "RESULT", "FULL": "FULL"}
_ALPHABET: Final = string.ascii_letters + string.digits

_LEAST_STRATEGY_TYPE: Final = 1_000_000
_UNWANTED: Final[dict[str, tuple[str, ...]]] = {
    "MARKET": ("price", "timeInForce", "stopPrice", "trailingDelta"),
    "LIMIT": ("stopPrice", "trailingDelta", QUOTE_QUANTITY),
    "LIMIT_MAKER": ("timeInForce", "stopPrice", "trailingDelta", QUOTE_QUANTITY),
    "STOP_LOSS": ("price", "timeInForce", QUOTE_QUANTITY),
    "STOP_LOSS_LIMIT": (QUOTE_QUANTITY,),
}

Names = Mapping[str, str]
"""Where a part of an order list spells a parameter its own way: `{"price": "abovePrice"}`."""


def new_id() -> str:
    """An id where the client gave none."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(22))


def detail_of(parameters: Parameters) -> Detail:
    """How much the answer shall say."""
    otherwise: Detail = "FULL" if parameters.text("type") in ("LIMIT", "MARKET") else "ACK"
    return parameters.choice("newOrderRespType", _DETAILS, otherwise, VenueError(-1136, "Invalid newOrderRespType."))


def self_trade_of(parameters: Parameters) -> SelfTrade | None:
    """What shall become of an order that meets another of its account; None: as the account has it."""
    refused = VenueError(NEW_ORDER_REJECTED, "This symbol does not allow the specified self-trade prevention mode.")
    return parameters.choice("selfTradePreventionMode", dict[str, SelfTrade | None](SELF_TRADES), None, refused)


def read_order(parameters: Parameters, listing: Listing, quote: Quote | None, names: Names | None = None) -> NewOrder:
    """The order that is asked for.

    Raises:
        VenueError: a parameter is missing, malformed or not wanted, a filter does not let it through, or this venue has no such order.
    """
    return _Reader(parameters, listing, quote, names or {}).order()


class _Reader:
    def __init__(self, parameters: Parameters, listing: Listing, quote: Quote | None, names: Names) -> None:
        self._p = parameters
        self._listing = listing
        self._quote = quote
        self._names = names

    def _name(self, name: str) -> str:
        return self._names.get(name, name)

    def _has(self, name: str) -> bool:
        return self._name(name) in self._p

    def _decimal(self, name: str) -> Decimal:
        value = self._p.decimal(self._name(name))
        if value is None:
            raise missing(self._name(name))
        return value

    def _ticks(self, name: str) -> int:
        return ticks(self._decimal(name), self._listing, self._name(name))

    def order(self) -> NewOrder:
        side = self._p.choice(self._name("side"), dict[str, Side | None](SIDES), None, VenueError(-1117, "Invalid side."))
        if side is None:
            raise missing(self._name("side"))
        name = self._p.need(self._name("type"))
        if name not in TYPES:
            raise VenueError(-1116, "Invalid orderType.")
        self._check_wanted(name)
        trailing = self._trailing(name)
        limit = self._ticks("price") if TYPES[name] in ("limit", "stop_limit") else None
        stop = self._ticks("stopPrice") if TYPES[name] in ("stop", "stop_limit") and trailing is None else None
        amount = self._lots(side)
        self._check_notional(amount, limit or stop, side)
        return NewOrder(
            client_order_id=self._p.client_id(self._name("newClientOrderId")) or new_id(),
            symbol=self._listing.symbol,
            side=side,
            type="trailing_stop" if trailing else TYPES[name],
            tif=self._tif(name),
            lots=amount,
            limit=limit,
            stop=stop,
            trail_bps=trailing,
            post_only=name == "LIMIT_MAKER",
            tags=self._tags(),
        )

    def _check_wanted(self, name: str) -> None:
        for unwanted in _UNWANTED[name]:
            if self._has(unwanted):
                raise VenueError(-1106, f"Parameter '{self._name(unwanted)}' sent when not required.")
        if self._p.decimal(self._name("icebergQty")):
            raise VenueError(NEW_ORDER_REJECTED, "Iceberg orders are not supported for this symbol.")
        for pegged in ("pegPriceType", "pegOffsetType", "pegOffsetValue"):
            if self._has(pegged):
                raise VenueError(NEW_ORDER_REJECTED, "Pegged orders are not supported for this symbol.")

    def _tif(self, name: str) -> Tif:
        if name not in ("LIMIT", "STOP_LOSS_LIMIT"):
            return "GTC"
        self._p.need(self._name("timeInForce"))
        return self._p.choice(self._name("timeInForce"), _TIFS, "GTC", VenueError(-1115, "Invalid timeInForce."))

    def _trailing(self, name: str) -> Decimal | None:
        delta = self._p.integer(self._name("trailingDelta"))
        if delta is None:
            return None
        if name != "STOP_LOSS" or self._has("stopPrice"):
            # Trailing stop limits, and trailing that begins only at a price, are not among the core's orders.
            raise VenueError(-1128, "Combination of optional parameters invalid.")
        if not TRAILING[0] <= delta <= TRAILING[1]:
            raise filter_failure("TRAILING_DELTA")
        return Decimal(delta)

    def _shown(self, side: Side) -> int | None:
        """The price that would be paid now, in ticks; None where the market shows none."""
        if self._quote is None:
            return None
        price = self._quote.ask if side == "buy" else self._quote.bid
        return to_ticks(price, float(self._listing.instrument.tick)) if price > 0 else None

    def _lots(self, side: Side) -> int:
        if not self._has(QUOTE_QUANTITY):
            return lots(self._decimal("quantity"), self._listing)
        if self._has("quantity"):
            raise VenueError(-1128, "Combination of optional parameters invalid.")
        shown = self._shown(side)
        if shown is None:
            raise VenueError(NEW_ORDER_REJECTED, "There are not enough orders in the book to fill this order.")
        count = int(self._decimal(QUOTE_QUANTITY) // self._listing.notional(1, shown))
        if count < 1:
            raise filter_failure("LOT_SIZE")
        return count

    def _check_notional(self, amount: int, price: int | None, side: Side) -> None:
        at = price or self._shown(side)
        if at is not None:
            check_notional(self._listing.notional(amount, at), self._listing)

    def _tags(self) -> dict[str, str]:
        tags: dict[str, str] = {}
        mode = self._p.text("selfTradePreventionMode")
        if mode is not None:
            tags[SELF_TRADE] = mode
        if self._has(QUOTE_QUANTITY):
            tags[QUOTE_QUANTITY] = exact(self._decimal(QUOTE_QUANTITY))
        for name in ("strategyId", "strategyType"):
            value = self._p.integer(self._name(name))
            if value is not None:
                tags[name] = str(value)
        if int(tags.get("strategyType", _LEAST_STRATEGY_TYPE)) < _LEAST_STRATEGY_TYPE:
            raise VenueError(-1134, "StrategyType was less than 1000000.")
        return tags
