"""`book`: an incoming order takes what stands against it, best price first, then the oldest; what is left of it may rest.

Trades are at the price of the order that rested. The street (what the replayed market shows) and agents rest, take and
are taken from like any account, but for money: they have no end of it.
"""

from typing import NamedTuple

from libs.domain.orders import Side
from libs.quant.sim_venue import holding, lifecycle
from libs.quant.sim_venue.book import within
from libs.quant.sim_venue.state import Core, Live, Market


class Reach(NamedTuple):
    """What an order could take at once."""

    lots: int  # of others
    own: bool  # whether it would meet an order of its own account on the way
    worst: int  # ticks of the last that it would take
    entries: int  # how many it would take from


def reachable(core: Core, market: Market, side: Side, limit: int | None, lots: int, account: str, *, own_counts: bool = False) -> Reach:
    """What an order of `account` would find, up to `lots`; those of its own count only where it may trade with itself."""
    half = market.book.against(side)
    found, own, worst, entries = 0, False, 0, 0
    for ticks in half.every():
        if not within(side, ticks, limit):
            break
        for key, there in half.levels[ticks].items():
            if found >= lots:
                return Reach(lots, own, worst, entries)
            worst, entries = ticks, entries + 1
            maker = core.live[key].order if key > 0 else None
            if maker is None:
                found += there
            elif maker.account != account or own_counts:
                found += holding.most(core, core.accounts[maker.account], market, maker, there, ticks)
            else:
                own = True
    return Reach(min(found, lots), own, worst, entries)


def arrive(core: Core, market: Market, live: Live) -> None:
    """A market or limit order comes to the book."""
    order, asked = live.order, live.order.asked
    best = market.book.against(asked.side).best()
    if best is not None and within(asked.side, best, asked.limit):
        if asked.post_only:
            lifecycle.end(core, live, "expired", "would_cross")
            return
        if asked.tif == "FOK" and not _fills_whole(core, market, live):
            lifecycle.end(core, live, "expired", "fok")
            return
        match(core, market, asked.side, asked.limit, order.remaining, live)
    if not order.live:
        return
    if asked.limit is None or asked.tif in ("IOC", "FOK"):
        lifecycle.end(core, live, "expired", "no_liquidity" if asked.limit is None else asked.tif.lower())
    else:
        market.book.own(asked.side).add(asked.limit, order.id, order.remaining)


def match(core: Core, market: Market, side: Side, limit: int | None, lots: int, live: Live | None) -> int:
    """Takes up to `lots` within the limit; gives back what is left of them.

    Args:
        live: the order that takes; None for the street and agents. It may have ended when this returns.
    """
    half, part = market.book.against(side), part_of(lots, core.rules.most_lots_per_fill)
    while lots:
        ticks = half.best()
        if ticks is None or not within(side, ticks, limit):
            break
        key, there = next(iter(half.levels[ticks].items()))
        maker = core.live[key] if key > 0 else None
        if live is not None and maker is not None and live.self_trade != "allow" and maker.order.account == live.order.account:
            if _kept_apart(core, live, maker):
                return lots
            continue
        wanted = min(lots, there, part)
        deal = _deliverable(core, market, maker, _deliverable(core, market, live, wanted, ticks), ticks)
        if deal:
            half.change(ticks, key, there - deal)
            _trade(core, market, deal, ticks, live, maker)
            lots -= deal
        if deal < wanted and not _unable(core, market, live, maker, wanted - deal, ticks):
            return lots
    return lots


def _fills_whole(core: Core, market: Market, live: Live) -> bool:
    """Whether all that remains is there to be taken, and can be paid at the worst of its prices."""
    asked, mode, lots = live.order.asked, live.self_trade, live.order.remaining
    reach = reachable(core, market, asked.side, asked.limit, lots, live.order.account, own_counts=mode == "allow")
    if reach.lots < lots or (reach.own and mode != "expire_maker"):
        return False
    deals = reach.entries + (lots - 1) // part_of(lots, core.rules.most_lots_per_fill)
    return holding.all_of_it(core, core.accounts[live.order.account], market, live.order, lots, reach.worst, deals)


def _kept_apart(core: Core, taker: Live, maker: Live) -> bool:
    """Ends what self-trade prevention ends; whether the taker is among it."""
    if taker.self_trade in ("expire_maker", "expire_both"):
        lifecycle.end(core, maker, "expired", "self_trade")
    if taker.self_trade == "expire_maker":
        return not taker.order.live
    lifecycle.end(core, taker, "expired", "self_trade")
    return True


def _deliverable(core: Core, market: Market, live: Live | None, lots: int, ticks: int) -> int:
    return lots if live is None else holding.most(core, core.accounts[live.order.account], market, live.order, lots, ticks)


def _unable(core: Core, market: Market, taker: Live | None, maker: Live | None, lots: int, ticks: int) -> bool:
    """Ends the order that could not pay or deliver for the lots that were left; whether the taker goes on."""
    if taker is not None and _deliverable(core, market, taker, lots, ticks) < lots:
        lifecycle.end(core, taker, "expired", "insufficient_funds")
        return False
    assert maker is not None
    lifecycle.end(core, maker, "expired", "insufficient_funds")
    return True


def _trade(core: Core, market: Market, lots: int, ticks: int, taker: Live | None, maker: Live | None) -> None:
    market.last = ticks
    if market.stops:
        market.dealt.append(ticks)
    core.trades += 1
    if maker is not None:
        lifecycle.fill(core, market, maker, lots, ticks, maker=True, trade=core.trades, at=core.at)
    if taker is not None:
        lifecycle.fill(core, market, taker, lots, ticks, maker=False, trade=core.trades, at=core.at)


def part_of(lots: int, most: int) -> int:
    """The most that one execution of `lots` may be; `most` of 0: all. A storm has an end: no more than a thousand of them."""
    return max(most, -(-lots // 1000)) if most else lots
