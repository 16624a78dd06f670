"""`book`: which stops a price touches. Selling stops watch what is bid and dealt, buying stops what is asked and dealt."""

from libs.quant.exchange.meeting import Standing, trailed
from libs.quant.sim_venue import groups, lifecycle
from libs.quant.sim_venue.book import within
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
    order, asked = live.order, live.order.asked
    shown = market.book.own("buy" if asked.side == "sell" else "sell").best()
    seen = dealt if shown is None else [*dealt, shown]
    if not seen:
        return
    worst, best = (min(seen), max(seen)) if asked.side == "sell" else (max(seen), min(seen))
    standing = standing_of(core, live)
    stop = order.stop if order.stop is not None else trailed(standing, worst)
    if within("buy" if asked.side == "sell" else "sell", worst, stop):
        order.stop = stop
        del market.stops[order.id]
        lifecycle.trigger(core, live)
        core.arrivals.append(live)
        return
    if asked.type == "trailing_stop":
        followed = trailed(standing, best)
        stop = max(stop, followed) if asked.side == "sell" else min(stop, followed)
    if stop != order.stop:
        order.stop = stop
        core.say("moved", order)
