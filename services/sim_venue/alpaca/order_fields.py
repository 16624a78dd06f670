"""Numbers of an order request on the grid of its instrument. Pure."""

from decimal import Decimal

from libs.domain.instruments import Instrument
from services.sim_venue.alpaca.errors import forbidden, unprocessable
from services.sim_venue.alpaca.query import sensible
from services.sim_venue.alpaca.wire import text


def to_lots(quantity: Decimal, instrument: Instrument) -> int:
    """Whole lots; `Problem` when it is none."""
    try:
        return instrument.lots(positive(quantity, "qty"))
    except ValueError as error:
        if instrument.lot == 1:
            raise forbidden(f'asset "{instrument.symbol}" is not fractionable') from error
        raise unprocessable(f"qty must be a multiple of {text(instrument.lot)}") from error


def to_ticks(price: Decimal | None, name: str, instrument: Instrument) -> int | None:
    """Whole ticks of a price, where there is one; `Problem` when it is none."""
    if price is None:
        return None
    try:
        return instrument.ticks(positive(price, name))
    except ValueError as error:
        raise unprocessable(f"invalid {name} {text(price)}. sub-penny increment does not fulfill minimum pricing criteria") from error


def positive(value: Decimal, name: str) -> Decimal:
    """The value itself; `Problem` when it is not above 0, or absurd."""
    if not sensible(value):
        raise unprocessable(f"{name} must be > 0" if value.is_finite() and value <= 0 else f"invalid {name}")
    return value


def shown(given: str | None) -> str:
    """What a client wrote, at a length that fits a message."""
    return (given or "")[:40]
