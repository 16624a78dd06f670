"""Controls of the size of one order."""

from libs.quant.risk.limits import Limits
from libs.quant.risk.scopes import shrinks, subject
from libs.quant.risk.view import Leg, Refusal, View


def venue_steps(leg: Leg, view: View, limits: Limits) -> Refusal | None:
    """A03: whole positive lots and ticks, and no less than the venue's smallest notional unless it closes the book."""
    if leg.lots <= 0 or leg.price <= 0:
        return Refusal("RC-A03", "quantity and price must be positive", "1", f"{leg.lots} lots at {leg.price} ticks")
    notional, least = leg.notional, leg.instrument.min_notional
    view.note("RC-A03", "order notional, at least", float(least), notional)
    closes = leg.signed + view.positions.get((leg.signal.strategy_id, leg.signal.symbol), 0) == 0
    if notional >= float(least) or closes:
        return None
    return Refusal("RC-A03", "below the venue's smallest notional", str(least), f"{notional:.2f}")


def order_quantity(leg: Leg, view: View, limits: Limits) -> Refusal | None:
    """A04: shares, coins or contracts of one order. A leg that only shrinks its book passes: refusing it would trap the position."""
    most = limits.tightest("max_order_quantity", equity=0.0, **subject(leg.signal, view))
    quantity = float(leg.instrument.quantity(leg.lots))
    view.note("RC-A04", "order quantity", most, quantity)
    if most is None or quantity <= most or shrinks(leg, view, leg.signal.strategy_id):
        return None
    return Refusal("RC-A04", "order quantity above max_order_quantity", f"{most:g}", f"{quantity:g}")


def order_notional(leg: Leg, view: View, limits: Limits) -> Refusal | None:
    """A05: notional of one order. A leg that only shrinks its book passes: refusing it would trap the position."""
    most = limits.tightest("max_order_notional", equity=view.equity, **subject(leg.signal, view))
    notional = leg.notional
    view.note("RC-A05", "order notional", most, notional)
    if most is None or notional <= most or shrinks(leg, view, leg.signal.strategy_id):
        return None
    return Refusal("RC-A05", "order notional above max_order_notional", f"{most:.2f}", f"{notional:.2f}")
