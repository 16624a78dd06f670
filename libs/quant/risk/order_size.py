"""How large one order may be. What only shrinks its book passes the limits of size: refusing it would trap the position."""

from dataclasses import replace
from typing import Final

from libs.quant.risk.limits import Bounds
from libs.quant.risk.permits import Permit
from libs.quant.risk.view import Leg, Refusal, View
from libs.quant.sizing import to_lots

PERMITTED: Final = frozenset({"max_adv_share", "max_order_to_median"})
"""Limits that a person may let one order pass."""


def venue_steps(leg: Leg, view: View, bounds: Bounds) -> Refusal | None:
    """A03: whole positive lots and ticks, and no less than the venue's smallest notional unless it closes the book."""
    if leg.lots <= 0 or leg.price <= 0:
        return Refusal("RC-A03", "quantity and price must be positive", "1", f"{leg.lots} lots at {leg.price} ticks")
    notional, least = leg.notional, view.grid(leg.signal.symbol).min_notional
    if view.checks is not None:
        view.note("RC-A03", "order notional, at least", least, notional)
    if notional >= least or leg.signed + view.positions.get((leg.signal.strategy_id, leg.signal.symbol), 0) == 0:
        return None
    return Refusal("RC-A03", "below the venue's smallest notional", f"{leg.instrument.min_notional}", f"{notional:.2f}")


def order_quantity(leg: Leg, view: View, bounds: Bounds) -> Refusal | None:
    """A04: shares, coins or contracts of one order."""
    if bounds.order_quantity is None:
        return None
    most = to_lots(bounds.order_quantity, view.grid(leg.signal.symbol).lot)
    quantity = leg.instrument.quantity(leg.lots)
    if view.checks is not None:
        view.note("RC-A04", "order quantity", bounds.order_quantity, float(quantity))
    if leg.lots <= most or view.shrinks(leg, leg.signal.strategy_id):
        return None
    return Refusal("RC-A04", "order quantity above max_order_quantity", f"{bounds.order_quantity:g}", f"{quantity.normalize():f}")


def order_notional(leg: Leg, view: View, bounds: Bounds) -> Refusal | None:
    """A05: notional of one order."""
    if bounds.order_notional is None:
        return None
    most = bounds.order_notional.at(view.equity)
    notional = leg.notional
    if view.checks is not None:
        view.note("RC-A05", "order notional", most, notional)
    if notional <= most or view.shrinks(leg, leg.signal.strategy_id):
        return None
    return Refusal("RC-A05", "order notional above max_order_notional", f"{most:.2f}", f"{notional:.2f}")


def share_of_volume(leg: Leg, view: View, bounds: Bounds) -> Refusal | None:
    """A06: quantity as a share of what trades on an average day, of the last twenty; passes where that is not known yet."""
    volume = view.volumes.get(leg.signal.symbol)
    if bounds.adv_share is None or volume is None:
        return None
    share = leg.lots * view.grid(leg.signal.symbol).lot / volume if volume > 0 else float("inf")
    if view.checks is not None:
        view.note("RC-A06", "share of an average day's volume", bounds.adv_share, share)
    if share <= bounds.adv_share or view.shrinks(leg, leg.signal.strategy_id) or _permitted(leg, view):
        return None
    return Refusal("RC-A06", "share of an average day's volume above max_adv_share", f"{bounds.adv_share:g}", f"{share:.4f}")


def usual_size(leg: Leg, view: View, bounds: Bounds) -> Refusal | None:
    """A06: notional in multiples of the median entry of the strategy, of the last thirty days; passes before it has twenty."""
    median = view.flow.medians.get(leg.signal.strategy_id)
    if bounds.order_to_median is None or not median:
        return None
    times = leg.notional / median
    if view.checks is not None:
        view.note("RC-A06", "multiple of the strategy's median order", bounds.order_to_median, times)
    if times <= bounds.order_to_median or view.shrinks(leg, leg.signal.strategy_id) or _permitted(leg, view):
        return None
    return Refusal("RC-A06", "multiple of the median order above max_order_to_median", f"{bounds.order_to_median:g}", f"{times:.2f}")


def needed_permit(leg: Leg, view: View, bounds: Bounds) -> Permit | None:
    """The permit that the leg passes A06 by; None of one that passes without, and uses up none."""
    permit = view.permit(leg)
    if permit is None:
        return None
    without = replace(view, permits=(), checks=None)
    too_large = share_of_volume(leg, without, bounds) or usual_size(leg, without, bounds)
    return permit if too_large else None


def _permitted(leg: Leg, view: View) -> bool:
    permit = view.permit(leg)
    if permit is not None:
        view.note("RC-A06", "one-time permit", f"{permit.lots} lots", str(permit.id))
    return permit is not None
