"""What happens to an order: it is taken, goes live, is triggered, fills, ends. Each says so in a report and sees to what follows."""

from heapq import heappush
from typing import Literal

from libs.quant.sim_venue import groups, holding
from libs.quant.sim_venue.fees import fee, moves
from libs.quant.sim_venue.ledger import deliver
from libs.quant.sim_venue.orders import Execution
from libs.quant.sim_venue.state import FOREVER, Account, Core, Live, Market


def take(core: Core, account: Account, live: Live) -> None:
    """Takes an order in as it is, open or held. An open one is to enter its market."""
    order = live.order
    core.owners.append(account.index)
    core.live[order.id] = account.live[order.id] = live
    account.client_ids[order.asked.client_order_id] = None
    if live.end != FOREVER:
        heappush(core.ends, (live.end, order.id))
    if order.status == "open":
        _go_live(core, account, live)
        core.say("accepted", order)
    else:
        core.say("held", order)


def trigger(core: Core, live: Live) -> None:
    """A stop becomes the order behind it; those that it cancels end."""
    _cancel_partners(core, live)
    live.order.triggered = True
    core.say("triggered", live.order)


def fill(core: Core, market: Market, live: Live, lots: int, ticks: int, *, maker: bool, trade: int, at: int) -> None:
    """One execution; those that the order cancels end first."""
    order = live.order
    _cancel_partners(core, live)
    account = core.accounts[order.account]
    order.filled += lots
    order.value += lots * ticks
    paid, currency = fee(market, order.asked.side, lots, ticks, maker)
    execution = Execution(
        id=len(core.executions) + 1,
        trade=trade,
        order=order.id,
        account=order.account,
        client_order_id=order.asked.client_order_id,
        symbol=market.symbol,
        side=order.asked.side,
        lots=lots,
        ticks=ticks,
        fee=paid,
        fee_currency=currency,
        maker=maker,
        cumulative=order.filled,
        at=at,
    )
    core.executions.append(execution)
    balances, position = moves(market, execution)
    deliver(account, market, balances, position)
    followers = groups.followers(core, order) if order.group else []
    if not order.remaining:
        order.status = "filled"
        _remove(core, account, market, live)
    else:
        holding.set_aside(core, account, market, order)
    order.updated_at = core.now
    core.report("fill", account=order.account, symbol=market.symbol, order=order, execution=execution, balances=balances, position=position)
    if not order.remaining and followers:
        _activate(core, followers, order.filled)


def end(core: Core, live: Live, status: Literal["canceled", "expired"], reason: str = "") -> None:
    """Ends an order, once. Those that waited for it go live with what it filled, or end.

    Who cancels one of a pair cancels both; one that expires leaves the other where it is, as at the paper venue.
    """
    order = live.order
    if not order.live:
        return
    partners = groups.partners(core, order) if status == "canceled" else []
    followers = groups.followers(core, order)
    _finish(core, live, status, reason)
    for partner in partners:
        _finish(core, partner, status, reason)
    if order.filled and followers:
        _activate(core, followers, order.filled)
    else:
        for follower in followers:
            _finish(core, follower, "canceled", "parent_ended")


def replace(core: Core, account: Account, old: Live, new: Live) -> None:
    """The new order stands where the old one stood, but for its place in the queue."""
    order = old.order
    order.status = "replaced"
    order.replaced_by = new.order.id
    groups.stands_in(core, order, new.order)
    _remove(core, account, core.markets[order.asked.symbol], old)
    core.say("replaced", order)
    take(core, account, new)


def _activate(core: Core, held: list[Live], lots: int) -> None:
    """Held orders go live together with at most `lots` each, if the account can pay for them now; else they end."""
    first = held[0].order
    account, market = core.accounts[first.account], core.markets[first.asked.symbol]
    for live in held:
        live.order.lots = min(live.order.lots, lots)
    wanted = [holding.Wanted(live.order.asked.side, live.order.lots, live.hold_ticks) for live in held]
    refusal = holding.short_of(core, account, market, wanted)
    for live in held:
        if refusal is not None:
            _finish(core, live, "canceled", refusal.code)
            continue
        live.order.status = "open"
        live.since = core.at
        _go_live(core, account, live)
        core.say("activated", live.order)


def _go_live(core: Core, account: Account, live: Live) -> None:
    holding.set_aside(core, account, core.markets[live.order.asked.symbol], live.order)
    core.arrivals.append(live)


def _cancel_partners(core: Core, live: Live) -> None:
    if live.order.group:
        for partner in groups.partners(core, live.order):
            _finish(core, partner, "canceled", "oco")


def _finish(core: Core, live: Live, status: Literal["canceled", "expired"], reason: str) -> None:
    order = live.order
    order.status = status
    order.reason = reason
    _remove(core, core.accounts[order.account], core.markets[order.asked.symbol], live)
    core.say(status, order)


def _remove(core: Core, account: Account, market: Market, live: Live) -> None:
    """Takes an order that has ended out of everything, and sets nothing aside for it any more."""
    order = live.order
    del core.live[order.id], account.live[order.id]
    if market.booked:
        market.stops.pop(order.id, None)
        market.waiting.pop(order.id, None)
        if order.asked.limit is not None:
            market.book.own(order.asked.side).remove(order.asked.limit, order.id)
        if market.stops:
            core.stirred.append(market.symbol)
    elif (of_account := market.open.get(order.account)) is not None:
        of_account.pop(order.id, None)
        if not of_account:
            del market.open[order.account]
    holding.set_aside(core, account, market, order)
    groups.left(core, order)
