"""What our own orders forbid: too many, too often, the same again, too few of them traded, or one against the other."""

from collections.abc import Mapping
from typing import Final

from libs.domain.names import TIMEFRAMES
from libs.quant.risk.flow import ALIKE
from libs.quant.risk.limits import Bounds
from libs.quant.risk.view import Leg, Refusal, View

LEAST_ENDED: Final = 20
"""Of fewer orders of the last hour no ratio is taken."""


def order_rate(leg: Leg, view: View, bounds: Bounds) -> Refusal | None:
    """B07: orders of a strategy, of the account and of all accounts within the last minute, and the last second, of market time."""
    flow = view.flow
    refusal = _rate("minute", bounds.orders_per_minute, flow.per_minute, leg, view) if bounds.orders_per_minute else None
    if refusal is not None or not bounds.orders_per_second:
        return refusal
    return _rate("second", bounds.orders_per_second, flow.per_second, leg, view)


def _rate(span: str, limits: Mapping[str, float], ordered: Mapping[str, int], leg: Leg, view: View) -> Refusal | None:
    for scope, most in limits.items():
        if scope == "strategy":
            key, count = leg.signal.strategy_id, ordered.get(leg.signal.strategy_id, 0) + 1
        else:
            key, count = view.account_name, (sum(ordered.values()) if ordered else 0) + 1
            if scope == "fleet":
                others = view.elsewhere()
                key, count = "*", count + (others.per_minute if span == "minute" else others.per_second)
        if view.checks is not None:
            view.note("RC-B07", f"orders of {scope} {key} within a {span}", most, float(count))
        if count > most:
            return Refusal("RC-B07", f"too many orders of {scope} {key} within a {span}", f"{most:g}", str(count))
    return None


def open_orders(leg: Leg, view: View, bounds: Bounds) -> Refusal | None:
    """B06: open orders of a symbol, a strategy, the account and all accounts, with this one. What only shrinks its book passes."""
    signal = leg.signal
    for scope, most in bounds.open_orders.items():
        if scope == "symbol":
            key, count = signal.symbol, len(view.symbol_orders(signal.symbol)) + 1
        elif scope == "strategy":
            key, count = signal.strategy_id, sum(o.strategy_id == signal.strategy_id for o in view.open_orders) + 1
        else:
            key, count = view.account_name, len(view.open_orders) + 1
            if scope == "fleet":
                key, count = "*", count + view.elsewhere().open_orders
        if view.checks is not None:
            view.note("RC-B06", f"open orders of {scope} {key}", most, float(count))
        if count > most and not view.shrinks(leg, signal.strategy_id):
            return Refusal("RC-B06", f"too many open orders of {scope} {key}", f"{most:g}", str(count))
    return None


def duplicate(leg: Leg, view: View, bounds: Bounds) -> Refusal | None:
    """A11: an order of the same content that another signal has led to less than two seconds before, or less than a bar where bars are
    shorter: the next bar's decision is no repetition. What only shrinks its book passes: it cannot do so twice."""
    signal = leg.signal
    alike = view.flow.alike((signal.strategy_id, signal.symbol, leg.side, leg.lots, leg.price))
    if not alike:
        return None
    window = min(ALIKE, TIMEFRAMES[signal.timeframe])
    seen = sum(
        other != signal.signal_id and abs(signal.decided_at - decided_at) < window and decided_at <= view.now for decided_at, other in alike
    )
    if view.checks is not None:
        view.note("RC-A11", "orders just like it a moment before", 0.0, float(seen))
    if not seen or view.shrinks(leg, signal.strategy_id):
        return None
    return Refusal("RC-A11", "the same order was decided a moment before, by another signal", "0", str(seen))


def repeated_entries(leg: Leg, view: View, bounds: Bounds) -> Refusal | None:
    """B09: entries of a strategy in one symbol within a minute of market time. One too many, and the strategy may only reduce its books
    until a person re-arms it (RTS 6, article 15)."""
    most = bounds.repeated_entries
    if most is None:
        return None
    strategy_id, symbol = leg.signal.strategy_id, leg.signal.symbol
    count = view.flow.entries.get((strategy_id, symbol), 0) + 1
    if view.checks is not None:
        view.note("RC-B09", "entries of the strategy in the symbol within a minute", most, float(count))
    if count <= most or view.shrinks(leg, strategy_id):
        return None
    return Refusal("RC-B09", f"{strategy_id} enters {symbol} again and again", f"{most:g}", str(count), disables=True)


def wasted_orders(leg: Leg, view: View, bounds: Bounds) -> Refusal | None:
    """B08: of the strategy's orders of the last hour that have ended, how many there were for each that traded, and the share that we
    cancelled ourselves. Past a limit one order a minute passes; far past it the strategy may only reduce its books until a person
    re-arms it: at twice the orders to a trade, or half way from the limit to nothing but cancels."""
    found = view.outcomes.get(leg.signal.strategy_id)
    if found is None or found.ended < LEAST_ENDED:
        return None
    measured = (
        ("orders to a trade", "max_order_to_trade", bounds.order_to_trade, found.ended / max(1, found.traded), 2.0),
        ("share of cancels", "max_cancel_ratio", bounds.cancel_ratio, found.canceled / found.ended, None),
    )
    for what, name, most, seen, far in measured:
        if most is None:
            continue
        if view.checks is not None:
            view.note("RC-B08", f"{what} of the last hour", most, seen)
        if seen <= most or view.shrinks(leg, leg.signal.strategy_id):
            continue
        disables = seen > (most * far if far is not None else (1 + most) / 2)
        if disables or view.flow.per_minute.get(leg.signal.strategy_id, 0):
            return Refusal("RC-B08", f"{what} above {name}: one order a minute passes", f"{most:g}", f"{seen:.3g}", disables)
    return None


def crossing(leg: Leg, view: View, bounds: Bounds) -> Refusal | None:
    """B10: an order that could trade with an open one of our own, of whatever strategy."""
    for other in view.symbol_orders(leg.signal.symbol):
        if other.side == leg.side:
            continue
        buy, sell = (leg.price, other.price) if leg.side == "buy" else (other.price, leg.price)
        if buy >= sell:
            return Refusal("RC-B10", f"could trade with our own order {other.order_id}", "no crossing", f"buy {buy} >= sell {sell} ticks")
    if view.checks is not None:
        view.note("RC-B10", "own orders it could trade with", 0.0, 0.0)
    return None
