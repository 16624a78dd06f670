"""What an account, and all of them together, may come to hold: open and UNKNOWN orders count at their worst.

A leg that can only bring the position nearer to zero passes: refusing it would trap the position.
"""

from typing import Final

from libs.quant.risk.limits import Bound, Bounds
from libs.quant.risk.view import NOBODY, Leg, Others, Refusal, View

MAINTENANCE: Final = 0.25
"""Share of all positions that a margin account has to be worth (FINRA 4210, intraday as over night, long stock)."""


def position(leg: Leg, view: View, bounds: Bounds) -> Refusal | None:
    """B01: position of a strategy's book, of the account in the symbol, and of all accounts in it."""
    strategy_id, symbol, change = leg.signal.strategy_id, leg.signal.symbol, leg.signed
    lot = abs(view.lot_value(symbol))
    if (limit := bounds.strategy_position) is not None:
        most, worst = limit.at(view.equity), lot * view.worst_lots(symbol, strategy_id, change)
        if view.checks is not None:
            view.note("RC-B01", f"position of {strategy_id}", most, worst)
        if worst > most and not view.shrinks(leg, strategy_id):
            return _too_large(most, worst)
    if (limit := bounds.account_position) is not None:
        most, worst = limit.at(view.equity), lot * view.worst_lots(symbol, None, change)
        if view.checks is not None:
            view.note("RC-B01", "position of the account", most, worst)
        if worst > most and not view.shrinks(leg, None):
            return _too_large(most, worst)
    if (limit := bounds.fleet_position) is not None and not view.shrinks(leg, None):
        others = view.elsewhere()
        low, high = view.exposure_lots(symbol)
        below, above = others.positions.get(symbol, (0.0, 0.0))
        worst = max(
            abs(below + view.value(symbol, low + min(change, 0))),
            abs(above + view.value(symbol, high + max(change, 0))),
        )
        most = _together(limit, view, others)
        if view.checks is not None:
            view.note("RC-B01", "position of all accounts", most, worst)
        if worst > most:
            return _too_large(most, worst)
    return None


def _too_large(most: float, worst: float) -> Refusal:
    return Refusal("RC-B01", "position above max_position_notional", f"{most:.2f}", f"{worst:.2f}")


def gross_exposure(leg: Leg, view: View, bounds: Bounds) -> Refusal | None:
    """B02: sum of the worst case of every symbol, longs and shorts alike; of the account, and of all of them. In multiples of equity it
    is the leverage."""
    if bounds.account_gross is None and bounds.fleet_gross is None:
        return None
    gross = view.gross(leg.signal.symbol, leg.signed)
    refusal = _sum("gross exposure", "max_gross_exposure", leg, view, bounds.account_gross, gross)
    if bounds.fleet_gross is None or refusal is not None or view.shrinks(leg, None):
        return refusal
    others = view.elsewhere()
    gross += others.gross
    return _sum("gross exposure of all accounts", "max_gross_exposure", leg, view, bounds.fleet_gross, gross, others)


def net_exposure(leg: Leg, view: View, bounds: Bounds) -> Refusal | None:
    """B02: longs less shorts of all symbols, as far as the leg and the open orders of its direction can take them; of the account, and of
    all of them."""
    if bounds.account_net is None and bounds.fleet_net is None:
        return None
    net = view.net(leg.signal.symbol, leg.signed)
    refusal = _sum("net exposure", "max_net_exposure", leg, view, bounds.account_net, net)
    if bounds.fleet_net is None or refusal is not None or view.shrinks(leg, None):
        return refusal
    others = view.elsewhere()
    net += others.high if leg.signed > 0 else -others.low
    return _sum("net exposure of all accounts", "max_net_exposure", leg, view, bounds.fleet_net, net, others)


def _sum(what: str, name: str, leg: Leg, view: View, limit: Bound | None, seen: float, others: Others = NOBODY) -> Refusal | None:
    if limit is None:
        return None
    most = limit.at(view.equity) if others is NOBODY else _together(limit, view, others)
    if view.checks is not None:
        view.note("RC-B02", what, most, seen)
    if seen <= most or view.shrinks(leg, None):
        return None
    return Refusal("RC-B02", f"{what} above {name}", f"{most:.2f}", f"{seen:.2f}")


def _together(limit: Bound, view: View, others: Others) -> float:
    """A limit over an account and others.

    Raises:
        LookupError: it is a multiple of equity, and one of the others has not been valued yet.
    """
    if limit.multiple is not None and others.equity is None:
        raise LookupError("a limit is a multiple of the equity of all accounts, and one of them has not been valued yet")
    return limit.at(view.equity + (others.equity or 0.0))


def buying_power(leg: Leg, view: View, bounds: Bounds) -> Refusal | None:
    """B03: in a cash account, what buying it takes at the limit price is there, after all that open orders may still take. What is
    approved and not sent yet counts at once; what a sale will bring counts when it is filled."""
    if view.kind != "cash" or leg.side != "buy":
        return None
    needed, free = leg.notional, view.free_cash()
    if view.checks is not None:
        view.note("RC-B03", "cash it takes", free, needed)
    if needed <= free or view.shrinks(leg, leg.signal.strategy_id):
        return None
    return Refusal("RC-B03", "more than the cash that is free", f"{free:.2f}", f"{needed:.2f}")


def margin(leg: Leg, view: View, bounds: Bounds) -> Refusal | None:
    """B04: a margin account stays worth MAINTENANCE of all it may come to hold, now and not only at the close."""
    if view.kind != "margin":
        return None
    required = MAINTENANCE * view.gross(leg.signal.symbol, leg.signed)
    if view.checks is not None:
        view.note("RC-B04", "margin required", view.equity, required)
    if required <= view.equity or view.shrinks(leg, leg.signal.strategy_id):
        return None
    return Refusal("RC-B04", "the margin required is more than the account is worth", f"{view.equity:.2f}", f"{required:.2f}")


def short_sale(leg: Leg, view: View, bounds: Bounds) -> Refusal | None:
    """A16: nothing is sold that is not held where the account may not go short, and no more of a symbol than `max_short_notional` where
    it may: 0 for what is hard to borrow."""
    if leg.side == "buy":
        return None
    symbol = leg.signal.symbol
    low, _ = view.exposure_lots(symbol, leg.signal.strategy_id)
    if low + leg.signed >= 0:
        return None
    if not view.allow_short:
        return Refusal("RC-A16", "the account may not go short", "0 lots", f"{low + leg.signed} lots")
    if bounds.short is None:
        return None
    most = bounds.short.at(view.equity)
    low, _ = view.exposure_lots(symbol)
    short = max(0.0, -view.value(symbol, low + leg.signed))
    if view.checks is not None:
        view.note("RC-A16", "short position of the account", most, short)
    return None if short <= most else Refusal("RC-A16", "short position above max_short_notional", f"{most:.2f}", f"{short:.2f}")
