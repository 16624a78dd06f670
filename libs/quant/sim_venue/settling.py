"""What follows of its own, after a command, an event, or because time has gone by, until nothing more moves."""

from heapq import heappop

from libs.quant.sim_venue import agents, lifecycle, stops, street
from libs.quant.sim_venue.state import Core, Live, Market
from libs.quant.sim_venue.taking import arrive


def settle(core: Core, market: Market | None = None) -> None:
    """Orders that are to enter their markets do, and so do stops that this or an order's end triggers, until nothing more moves.

    Args:
        market: one that has just heard something.
    """
    if market is not None:
        reopen(core, market)
        _watch(core, market)
    while core.arrivals or core.stirred:
        if core.arrivals:
            live = core.arrivals.popleft()
            market = core.markets[live.order.asked.symbol]
            if live.order.live:
                _enter(core, market, live)
        else:
            market = core.markets[core.stirred.popleft()]
        _watch(core, market)


def reopen(core: Core, market: Market) -> None:
    """Once a market is open, its newest quote stands in the book, and orders that waited enter."""
    if (market.waiting or market.unshown) and market.trading(core.at):
        if market.unshown:
            market.unshown = False
            street.show(core, market)
        core.arrivals.extend(market.waiting.values())
        market.waiting.clear()


def expire(core: Core, at: int) -> None:
    """Ends the orders whose time is over at `at`."""
    while core.ends and core.ends[0][0] <= at:
        _, number = heappop(core.ends)
        live = core.live.get(number)
        if live is not None:
            lifecycle.end(core, live, "expired", "time")


def tick(core: Core) -> None:
    """Time has gone by: markets that have opened take in who waited, and agents do what is due."""
    for market in core.markets.values():
        if market.booked:
            reopen(core, market)
            agents.act(core, market)
            settle(core, market)
    settle(core)


def _enter(core: Core, market: Market, live: Live) -> None:
    order = live.order
    if not market.booked:
        market.open.setdefault(order.account, {})[order.id] = live
    elif not market.trading(core.at):
        market.waiting[order.id] = live
    elif live.active:
        arrive(core, market, live)
    else:
        market.stops[order.id] = live


def _watch(core: Core, market: Market) -> None:
    if market.stops and market.trading(core.at):
        stops.watch(core, market)
    market.dealt.clear()  # later stops do not see it
