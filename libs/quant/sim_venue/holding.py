"""What open orders may still take is set aside, and nobody spends it twice.

A *slot* is one order, or a pair of which one cancels the other: only one of the two can fill, so the pair sets aside the
greater of both.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from libs.domain.orders import Side
from libs.quant.sim_venue.commands import Refusal
from libs.quant.sim_venue.fees import fee, most_it_costs
from libs.quant.sim_venue.groups import pair_of
from libs.quant.sim_venue.orders import Order
from libs.quant.sim_venue.state import ZERO, Account, Core, Hold, Live, Market

_NOTHING = Hold()


class Wanted(NamedTuple):
    """An order, as far as money goes."""

    side: Side
    lots: int
    ticks: int  # the price at which money is set aside for it


def slot_of(core: Core, order: Order) -> int:
    """Key of what is set aside for the order."""
    return order.id if not order.group or pair_of(core, order) is None else -order.group


def set_aside(core: Core, account: Account, market: Market, order: Order) -> None:
    """Brings what is set aside for the order's slot up to date, after whatever has changed."""
    group = pair_of(core, order) if order.group else None
    if group is None:
        live = core.live.get(order.id)
        open_ = live if order.status == "open" else None
        _exchange(account, order.id, _NOTHING if open_ is None else _hold(account, market, _wanted(open_)))
        return
    lives = [core.live[n] for n in group.rest if n in core.live]
    _exchange(account, -order.group, hold_for(account, market, [_wanted(live) for live in lives if live.order.status == "open"]))


def hold_for(account: Account, market: Market, orders: Iterable[Wanted]) -> Hold:
    """What orders of one symbol and side set aside of which one can fill."""
    most = _NOTHING
    for order in orders:
        hold = _hold(account, market, order)
        if (hold.amount, hold.bids, hold.asks) > (most.amount, most.bids, most.asks):
            most = hold
    return most


def short_of(core: Core, account: Account, market: Market, wanted: list[Wanted], without: Order | None = None) -> Refusal | None:
    """Why the account cannot pay or deliver what one of these orders may take; None when it can.

    Args:
        without: an order that ends when these are taken: what is set aside for it counts as free.
    """
    need = hold_for(account, market, wanted)
    spare = _NOTHING if without is None else account.holds.get(slot_of(core, without), _NOTHING)
    if need.currency:
        there = account.balances.get(need.currency, ZERO) - account.reserved.get(need.currency, ZERO)
        there += spare.amount if spare.currency == need.currency else ZERO
        if need.amount > there:
            return Refusal("insufficient_funds", f"needs {need.amount} {need.currency}, {there} is free")
    elif need.asks and not market.listing.base:
        refusal = _undelivered(account, market, need.asks, spare)
        if refusal is not None:
            return refusal
    if account.kind == "cash":
        return None
    return _overdrawn(core, account, market, need, spare, max(order.ticks for order in wanted))


def most(core: Core, account: Account, market: Market, order: Order, lots: int, ticks: int) -> int:
    """Of `lots`, how many the account can pay or deliver at `ticks`, with what is set aside for the order itself.

    An account of cash never pays what it does not have, and nobody delivers what he neither has nor may borrow.
    """
    if order.asked.side == "buy":
        return lots if account.kind == "margin" else _payable(core, account, market, order, lots, ticks)
    lots = lots if may_short(account, market) else _held_lots(core, account, market, order, lots)
    return lots if account.kind == "margin" or _worth_its_fee(account, market, lots, ticks) else 0


def _held_lots(core: Core, account: Account, market: Market, order: Order, lots: int) -> int:
    own, base = account.holds.get(slot_of(core, order), _NOTHING), market.listing.base
    if base:
        return max(0, min(lots, int((free(account, base) + own.amount) / market.instrument.lot)))
    return max(0, min(lots, account.positions.get(market.symbol, 0) - account.asks.get(market.symbol, 0) + own.asks))


def _worth_its_fee(account: Account, market: Market, lots: int, ticks: int) -> bool:
    """Whether a sale brings what it costs, or there is money for the rest: the least fee may be more than a small one is worth."""
    fees = market.listing.fees
    if not (fees.minimum or fees.per_unit):
        return True
    paid, _ = fee(market, "sell", lots, ticks, fees.maker_bps > fees.taker_bps)
    return paid - market.money(lots, ticks) <= max(ZERO, free(account, market.instrument.currency))


def all_of_it(core: Core, account: Account, market: Market, order: Order, lots: int, ticks: int, deals: int) -> bool:
    """Whether the account can pay or deliver all of `lots` at no worse than `ticks`, in so many executions at most."""
    if order.asked.side == "sell" or account.kind == "margin":
        return most(core, account, market, order, lots, ticks) == lots
    own = account.holds.get(slot_of(core, order), _NOTHING)
    least = market.listing.fees.minimum * (deals - 1)  # each asks for it, of which the cost below has one
    return most_it_costs(market, lots, ticks) + least <= free(account, market.instrument.currency) + own.amount


def may_short(account: Account, market: Market) -> bool:
    """Whether more may be sold than is held. An asset is borrowed on margin only."""
    return account.allow_short and market.listing.shortable and (account.kind == "margin" or not market.listing.base)


def free(account: Account, name: str) -> Decimal:
    """What is neither spent nor set aside of a currency or an asset."""
    return account.balances.get(name, ZERO) - account.reserved.get(name, ZERO)


def _payable(core: Core, account: Account, market: Market, order: Order, lots: int, ticks: int) -> int:
    own, spare = account.holds.get(slot_of(core, order), _NOTHING), free(account, market.instrument.currency)
    if spare >= 0 and ticks <= core.live[order.id].hold_ticks:  # what is set aside for it is enough, without a closer look
        return lots
    there = spare + own.amount
    if most_it_costs(market, lots, ticks) <= there:
        return lots
    low, high = 0, lots  # `low` can be paid, `high` cannot
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if most_it_costs(market, middle, ticks) <= there else (low, middle)
    return low


def _wanted(live: Live) -> Wanted:
    return Wanted(live.order.asked.side, live.order.remaining, live.hold_ticks)


def _hold(account: Account, market: Market, order: Wanted) -> Hold:
    symbol, base = market.symbol, market.listing.base
    if order.side == "buy":
        if account.kind == "margin":
            return Hold(symbol=symbol, bids=order.lots)
        return Hold(market.instrument.currency, most_it_costs(market, order.lots, order.ticks), symbol, order.lots)
    if base and not may_short(account, market):
        return Hold(base, market.instrument.lot * order.lots, symbol, 0, order.lots)
    return Hold(symbol=symbol, asks=order.lots)


def _exchange(account: Account, slot: int, new: Hold) -> None:
    old = account.holds.pop(slot, _NOTHING)
    for hold, sign in ((old, -1), (new, 1)):
        if hold.currency:
            _count(account.reserved, hold.currency, sign * hold.amount)
        if hold.bids:
            _count(account.bids, hold.symbol, sign * hold.bids)
        if hold.asks:
            _count(account.asks, hold.symbol, sign * hold.asks)
    if new is not _NOTHING:
        account.holds[slot] = new


def _count(totals: dict[str, Decimal] | dict[str, int], name: str, change: Decimal | int) -> None:
    total = totals.get(name, 0) + change
    if total:
        totals[name] = total  # type: ignore[assignment]
    else:
        totals.pop(name, None)


def _undelivered(account: Account, market: Market, lots: int, spare: Hold) -> Refusal | None:
    if may_short(account, market):
        return None
    held = account.positions.get(market.symbol, 0) - account.asks.get(market.symbol, 0) + spare.asks
    if lots <= held:
        return None
    said = f"sells {market.instrument.quantity(lots)} {market.symbol}, {market.instrument.quantity(max(held, 0))} is held and free"
    if account.allow_short:
        return Refusal("not_shortable", f"{said}, and it cannot be sold short")
    return Refusal("insufficient_position", f"{said}, and the account may not sell short")


def _overdrawn(core: Core, account: Account, market: Market, need: Hold, spare: Hold, ticks: int) -> Refusal | None:
    """Whether the worst that the open orders can make of a margin account is more than its equity carries.

    Args:
        ticks: of the order, where the market has shown no price yet.
    """
    before = _worst(account, market, 0, 0)
    after = _worst(account, market, need.bids - spare.bids, need.asks - spare.asks)
    if after <= before:
        return None
    price = market.last if market.last is not None else ticks
    exposure, equity = market.money(after, price), account.balances.get(market.instrument.currency, ZERO)
    bases: set[str] = set()
    for other in core.markets.values():
        if other.instrument.currency != market.instrument.currency or other.last is None:
            continue
        held = _held(account, other)
        if other.listing.base not in bases:
            equity += other.money(held, other.last)
        if other.listing.base:
            bases.add(other.listing.base)
        if other is not market:
            exposure += other.money(_worst(account, other, 0, 0), other.last)
    if exposure <= account.leverage * equity:
        return None
    currency = market.instrument.currency
    return Refusal(
        "insufficient_funds",
        f"exposure could reach {exposure} {currency}, an equity of {equity} {currency} carries {account.leverage * equity}",
    )


def _held(account: Account, market: Market) -> int:
    base = market.listing.base
    return int(account.balances.get(base, ZERO) / market.instrument.lot) if base else account.positions.get(market.symbol, 0)


def _worst(account: Account, market: Market, bids: int, asks: int) -> int:
    """Lots of the greatest exposure that the open orders, with these more, can lead to."""
    held = _held(account, market)
    buying, selling = account.bids.get(market.symbol, 0) + bids, account.asks.get(market.symbol, 0) + asks
    return max(abs(held + buying), abs(held - selling))
