"""Controls of the flow of orders: how many, and against whom."""

from libs.quant.risk.limits import Limits
from libs.quant.risk.view import Leg, Refusal, View


def order_rate(leg: Leg, view: View, limits: Limits) -> Refusal | None:
    """B07: orders of a strategy and of the account within the last minute of market time."""
    ordered = {"strategy": view.ordered.get(leg.signal.strategy_id, 0), "account": sum(view.ordered.values())}
    for scope, key in (("strategy", leg.signal.strategy_id), ("account", view.account_name)):
        most = limits.tightest("max_orders_per_minute", equity=0.0, **{scope: key})
        view.note("RC-B07", f"orders of {scope} {key} within a minute", most, float(ordered[scope] + 1))
        if most is not None and ordered[scope] + 1 > most:
            return Refusal("RC-B07", f"too many orders of {scope} {key} within a minute", f"{most:g}", str(ordered[scope] + 1))
    return None


def crossing(leg: Leg, view: View, limits: Limits) -> Refusal | None:
    """B10: an order that could trade with an open one of our own, of whatever strategy."""
    for other in view.open_orders:
        if other.symbol != leg.signal.symbol or other.side == leg.side:
            continue
        buy, sell = (leg.price, other.price) if leg.side == "buy" else (other.price, leg.price)
        if buy >= sell:
            return Refusal("RC-B10", f"could trade with our own order {other.order_id}", "no crossing", f"buy {buy} >= sell {sell} ticks")
    view.note("RC-B10", "own orders it could trade with", 0.0, 0.0)
    return None
