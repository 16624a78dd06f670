"""What one market event makes of open orders, in integers: the paper venue, the backtester and sim_venue's `model` ask here.

A bar says open, high, low and close, not in which order the extremes came. Where that matters it is resolved against
us: a stop before the limit of the same pair, and a trailing stop before the extreme that would have moved it.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final, Generic, NamedTuple, TypeVar

from libs.domain.instruments import Instrument
from libs.domain.orders import OrderType, Side
from libs.quant.fills import FillEvent, FillTerms, Offer, SimFill, Traded, at_price, fill, offer, traded

K = TypeVar("K")

STOPS: Final = ("stop", "stop_limit", "trailing_stop")


class Standing(NamedTuple):
    """An open order as an event finds it; prices in ticks, quantity in lots."""

    side: Side
    type: OrderType
    remaining: int
    limit: int | None  # None takes any price
    stop: int | None = None  # where the stop stands; None: a trailing stop that begins behind the first price it sees
    trail: int | None = None  # ticks that a trailing stop keeps from the best price
    trail_bps: Decimal | None = None  # the same as a share of the best price
    triggered: bool = False
    oco: str | int = ""  # orders of one name cancel each other; "" or 0 stands alone
    whole: bool = False  # all that remains at once, or nothing


class Met(NamedTuple, Generic[K]):
    """What became of one order."""

    order: K
    stop: int | None  # where it stands after the event; None: its side showed no price
    triggered: bool
    taken: SimFill | None
    acts: bool  # it filled or was triggered by this event: others of its `oco` end


class _Event(NamedTuple):
    event: FillEvent
    instrument: Instrument
    terms: FillTerms


def meetings(orders: Sequence[tuple[K, Standing]], event: FillEvent, instrument: Instrument, terms: FillTerms) -> Iterator[Met[K]]:
    """The event meets orders of its symbol that may meet it, given in order of arrival; what one takes is gone for the next.

    An order whose pair has acted on this event is passed over: it ends.
    """
    here = _Event(event, instrument, terms)
    offers: dict[Side, Offer | None] = {}
    gone: set[str | int] = set()
    for order, standing in _by_pessimism(orders, here):
        if standing.oco and standing.oco in gone:
            continue
        side = standing.side
        if side not in offers:
            offers[side] = offer(event, side, instrument, terms)
        stop, triggered, taken = _met(standing, offers[side], here)
        left = offers[side]
        if taken is not None and left is not None:
            offers[side] = Offer(left.first, left.best, left.lots - taken.lots)
        acts = taken is not None or triggered > standing.triggered
        if acts and standing.oco:
            gone.add(standing.oco)
        yield Met(order, stop, triggered, taken, acts)


def _by_pessimism(orders: Sequence[tuple[K, Standing]], here: _Event) -> Sequence[tuple[K, Standing]]:
    """In order of arrival, but of those that cancel each other the stop first, unless the open fills the limit."""
    if len(orders) == 1 or not any(standing.oco for _, standing in orders):
        return orders
    return sorted(orders, key=lambda one: _rank(one[1], here))


def _rank(standing: Standing, here: _Event) -> int:
    if not standing.oco:
        return 0
    if standing.type in STOPS:
        return 1
    offered = offer(here.event, standing.side, here.instrument, here.terms)
    opens = None if offered is None else fill(standing.side, standing.limit, 1, offered._replace(best=offered.first))
    return 2 if opens is None else 0


def _met(standing: Standing, offered: Offer | None, here: _Event) -> tuple[int | None, bool, SimFill | None]:
    """(stop, triggered, fill) of one order after the event."""
    if standing.type in STOPS and not standing.triggered:
        return _met_stop(standing, offered, here)
    return standing.stop, standing.triggered, _taken(standing, offered)


def _met_stop(standing: Standing, offered: Offer | None, here: _Event) -> tuple[int | None, bool, SimFill | None]:
    seen = traded(here.event, standing.side, here.instrument)
    if seen is None:
        return None, False, None
    stop, touched = stop_after(standing, seen)
    if touched is None:
        return stop, False, None
    if offered is None:  # the touch counts, also where too little was dealt for a share of it
        return stop, True, None
    return stop, True, _taken(standing, at_price(standing.side, touched, offered, here.terms, here.event))


def stop_after(standing: Standing, seen: Traded) -> tuple[int, int | None]:
    """Where a stop stands after these prices, and at which price they touched it; None: they did not. Ticks.

    A trailing stop is compared with them first and follows them after; it begins behind the first where it has no price.
    """
    stop = standing.stop if standing.stop is not None else _trailed(standing, seen.first)
    touched = _touched(standing.side, stop, seen)
    if touched is None and (standing.trail is not None or standing.trail_bps is not None):
        return _moved(standing, stop, seen)
    return stop, touched


def _trailed(standing: Standing, best: int) -> int:
    """Where a trailing stop stands behind the best price it has seen, in ticks. A share of it is rounded to the nearest tick."""
    distance = standing.trail or 0
    if standing.trail_bps is not None:
        over, under = standing.trail_bps.as_integer_ratio()
        distance = max(1, (2 * best * over + under * 10_000) // (2 * under * 10_000))
    return best - distance if standing.side == "sell" else best + distance


def _touched(side: Side, stop: int, seen: Traded) -> int | None:
    """The price at which the market touched the stop: the stop itself, or the open when that is beyond it already."""
    if side == "sell":
        return seen.first if seen.first <= stop else stop if seen.low <= stop else None
    return seen.first if seen.first >= stop else stop if seen.high >= stop else None


def _moved(standing: Standing, stop: int, seen: Traded) -> tuple[int, int | None]:
    """The stop moved behind the best price of the event, and that stop if the close shows that it was crossed after."""
    sell = standing.side == "sell"
    moved = max(stop, _trailed(standing, seen.high)) if sell else min(stop, _trailed(standing, seen.low))
    crossed = seen.last <= moved if sell else seen.last >= moved
    return moved, moved if crossed and moved != stop else None


def _taken(standing: Standing, offered: Offer | None) -> SimFill | None:
    if offered is None:
        return None
    taken = fill(standing.side, standing.limit, standing.remaining, offered)
    return None if taken is not None and standing.whole and taken.lots < standing.remaining else taken
