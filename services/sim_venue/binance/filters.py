"""The filters of a symbol, and the numbers of an order put through them: text of the wire to ticks and lots."""

from decimal import Decimal
from typing import Final

from libs.quant.sim_venue.listings import Listing
from services.sim_venue.binance.errors import VenueError, filter_failure
from services.sim_venue.binance.figures import ZERO, exact
from services.sim_venue.binance.order_answers import Json

MOST_TICKS: Final = 10**9
MOST_LOTS: Final = 10**12
MOST_MONEY: Final = Decimal(10) ** 10
TRAILING: Final = (10, 2000)  # basis points that a trailing stop may keep
_PRECISION: Final = 8


def described(listing: Listing) -> list[Json]:
    """As exchangeInfo has them; every one of them is enforced."""
    i = listing.instrument
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": exact(i.tick),
            "maxPrice": exact(i.price(MOST_TICKS)),
            "tickSize": exact(i.tick),
        },
        {"filterType": "LOT_SIZE", "minQty": exact(i.lot), "maxQty": exact(i.quantity(MOST_LOTS)), "stepSize": exact(i.lot)},
        {"filterType": "MARKET_LOT_SIZE", "minQty": ZERO, "maxQty": exact(i.quantity(MOST_LOTS)), "stepSize": ZERO},
        {
            "filterType": "TRAILING_DELTA",
            "minTrailingAboveDelta": TRAILING[0],
            "maxTrailingAboveDelta": TRAILING[1],
            "minTrailingBelowDelta": TRAILING[0],
            "maxTrailingBelowDelta": TRAILING[1],
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": exact(i.min_notional),
            "applyMinToMarket": True,
            "maxNotional": exact(MOST_MONEY),
            "applyMaxToMarket": False,
            "avgPriceMins": 0,
        },
    ]


def ticks(price: Decimal, listing: Listing, name: str) -> int:
    """A price in ticks.

    Raises:
        VenueError: -1111 for too many decimals, -1013 for what PRICE_FILTER does not let through.
    """
    return _steps(price, listing.instrument.tick, MOST_TICKS, name, "PRICE_FILTER")


def lots(quantity: Decimal, listing: Listing) -> int:
    """A quantity in lots; errors as `ticks`, of LOT_SIZE."""
    return _steps(quantity, listing.instrument.lot, MOST_LOTS, "quantity", "LOT_SIZE")


def _steps(value: Decimal, step: Decimal, most: int, name: str, filter_name: str) -> int:
    exponent = value.normalize().as_tuple().exponent
    if isinstance(exponent, int) and exponent < -_PRECISION:
        raise VenueError(-1111, f"Parameter '{name}' has too much precision.")
    if value == 0:
        raise VenueError(-1013, f"Invalid {name}.")
    count, rest = divmod(value, step)
    if rest or count > most:
        raise filter_failure(filter_name)
    return int(count)


def check_notional(notional: Decimal, listing: Listing) -> None:
    """Whether an order is worth enough, and not too much."""
    i = listing.instrument
    if not i.min_notional <= notional <= MOST_MONEY:
        raise filter_failure("NOTIONAL")
