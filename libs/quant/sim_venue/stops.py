"""`book`: which stops a price touches. Selling stops watch what is bid and dealt, buying stops what is asked and dealt."""

from libs.quant.exchange.meeting import Standing, stop_after
from libs.quant.fills import Traded
from libs.quant.sim_venue import groups, lifecycle
from libs.quant.sim_venue.state import Core, Live, Market


def watch(core: Core, market: Market) -> None:
    """Shows trades since the last time, and the best bid and ask, to the stops in order of arrival.

    Those that are touched are to enter the book; a trailing one is looked at before it follows the price.
    """
    for live in list(market.stops.values()):
        if live.order.id in market.stops:  # another one of its pair may have ended it
            _look(core, market, live, market.dealt)


def standing_of(core: Core, live: Live) -> Standing:
    """The order as an event meets it."""
    order, asked = live.order, live.order.asked
    return Standing(
        asked.side,
        asked.type,
        order.remaining,
        asked.limit,
        order.stop,
        asked.trail,
        asked.trail_bps,
        order.triggered,
        0 if groups.pair_of(core, order) is None else order.group,
        asked.tif == "FOK",
    )


def _look(core: Core, market: Market, live: Live, dealt: list[int]) -> None:
    order = live.order
    shown = market.book.against(order.asked.side).best()
    seen = dealt if shown is None else [*dealt, shown]
    if not seen:
        return
    stop, touched = stop_after(standing_of(core, live), Traded(seen[0], min(seen), max(seen), seen[-1]))
    moved, order.stop = stop != order.stop, stop
    if touched is not None:
        del market.stops[order.id]
        lifecycle.trigger(core, live)
        core.arrivals.append(live)
    elif moved:
        core.say("moved", order)
