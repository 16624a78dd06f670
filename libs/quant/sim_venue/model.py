"""`model`: each market event meets the open orders of an account exactly as it does at the paper venue.

An account's orders share what an event offers; what one account takes is not missed by another.
"""

from collections.abc import Mapping
from typing import Final

from libs.domain.orders import Side
from libs.quant.exchange.matching import moment
from libs.quant.exchange.meeting import STOPS, Met, meetings
from libs.quant.fills import FillEvent, SimFill, may_fill, offer
from libs.quant.sim_venue import holding, lifecycle
from libs.quant.sim_venue.book import within
from libs.quant.sim_venue.state import Core, Live, Market
from libs.quant.sim_venue.stops import standing_of
from libs.quant.sim_venue.taking import part_of

SIDES: Final[tuple[Side, ...]] = ("buy", "sell")


def meet(core: Core, market: Market, event: FillEvent) -> None:
    """Shows the event to every account's open orders, accounts in the order in which they came to the symbol."""
    reach = {side: _best(market, event, side) for side in SIDES} if market.open else {}
    for account in list(market.open):
        orders = [
            (live, standing_of(core, live))
            for live in market.open[account].values()
            if not (live.rested and _beyond(live, reach)) and _may_meet(core, live, event)
        ]
        for met in meetings(orders, event, market.instrument, market.listing.terms) if orders else ():
            if met.order.order.live:
                _apply(core, market, met, event)


def _best(market: Market, event: FillEvent, side: Side) -> int | None:
    """The best price that the event has for this side; None: it offers nothing."""
    offered = offer(event, side, market.instrument, market.listing.terms)
    if offered is None:
        return None
    return min(offered.first, offered.best) if side == "buy" else max(offered.first, offered.best)


def _beyond(live: Live, reach: Mapping[Side, int | None]) -> bool:
    """Whether a resting limit order is out of the event's reach. Thousands may be: they are passed over without a closer look."""
    asked = live.order.asked
    best = reach[asked.side]
    return best is None or not within(asked.side, best, asked.limit)


def _may_meet(core: Core, live: Live, event: FillEvent) -> bool:
    return may_fill(event, decided_at=live.since, expires_at=live.end, latency=core.rules.latency_ns, grace=0)


def _apply(core: Core, market: Market, met: Met[Live], event: FillEvent) -> None:
    live, order = met.order, met.order.order
    if met.triggered and not order.triggered:
        order.stop = met.stop
        lifecycle.trigger(core, live)
    elif met.stop is not None and met.stop != order.stop and order.asked.type in STOPS and not order.triggered:
        order.stop = met.stop
        core.say("moved", order)
    if met.taken is not None:
        _fill(core, market, live, met.taken, event)
    if order.live and live.active and order.asked.tif in ("IOC", "FOK"):
        lifecycle.end(core, live, "expired", order.asked.tif.lower())
    live.rested = live.active and order.asked.limit is not None


def _fill(core: Core, market: Market, live: Live, taken: SimFill, event: FillEvent) -> None:
    order, account, left = live.order, core.accounts[live.order.account], taken.lots
    part = part_of(left, core.rules.most_lots_per_fill)
    maker = order.asked.post_only or live.rested
    if order.asked.tif == "FOK" and not holding.all_of_it(core, account, market, order, left, taken.price_ticks, -(-left // part)):
        return
    while left:
        lots = holding.most(core, account, market, order, min(left, part), taken.price_ticks)
        if not lots:
            lifecycle.end(core, live, "expired", "insufficient_funds")
            return
        core.trades += 1
        lifecycle.fill(core, market, live, lots, taken.price_ticks, maker=maker, trade=core.trades, at=moment(event)[0])
        left -= lots
