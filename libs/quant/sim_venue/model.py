"""`model`: each market event meets the open orders of an account exactly as it does at the paper venue.

An account's orders share what an event offers; what one account takes is not missed by another.
"""

from libs.quant.exchange.matching import moment
from libs.quant.exchange.meeting import STOPS, Met, meetings
from libs.quant.fills import FillEvent, SimFill, may_fill
from libs.quant.sim_venue import holding, lifecycle
from libs.quant.sim_venue.state import Core, Live, Market
from libs.quant.sim_venue.stops import standing_of
from libs.quant.sim_venue.taking import parts


def meet(core: Core, market: Market, event: FillEvent) -> None:
    """Shows the event to every account's open orders, accounts in the order in which they came to the symbol."""
    for account in list(market.open):
        orders = [(live, standing_of(core, live)) for live in market.open[account].values() if _may_meet(core, live, event)]
        for met in meetings(orders, event, market.instrument, market.listing.terms) if orders else ():
            if met.order.order.live:
                _apply(core, market, met, event)


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
    order = live.order
    lots = holding.most(core, core.accounts[order.account], market, order, taken.lots, taken.price_ticks)
    if lots < taken.lots and order.asked.tif == "FOK":
        lots = 0
    maker = order.asked.post_only or live.rested
    for part in parts(lots, core.rules.most_lots_per_fill) if lots else ():
        core.trades += 1
        lifecycle.fill(core, market, live, part, taken.price_ticks, maker=maker, trade=core.trades, at=moment(event)[0])
    if lots < taken.lots:
        lifecycle.end(core, live, "expired", "insufficient_funds")
