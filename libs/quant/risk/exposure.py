"""Controls of what an account holds, with everything that is open at its worst case."""

from libs.quant.risk.limits import Limits
from libs.quant.risk.scopes import shrinks
from libs.quant.risk.view import Leg, Refusal, View


def position(leg: Leg, view: View, limits: Limits) -> Refusal | None:
    """B01: position of a strategy's book, and of the account in the symbol, with open and unknown orders at worst case."""
    signal = leg.signal
    strategy_limit = limits.tightest("max_position_notional", equity=view.equity, strategy=signal.strategy_id)
    account_limit = limits.tightest("max_position_notional", equity=view.equity, symbol=signal.symbol, account=view.account_name)
    for most, book in ((strategy_limit, signal.strategy_id), (account_limit, None)):
        if most is None or shrinks(leg, view, book):
            continue
        worst = abs(view.value(signal.symbol, view.worst_lots(signal.symbol, book, leg.signed)))
        view.note("RC-B01", f"position of {book or 'the account'}", most, worst)
        if worst > most:
            return Refusal("RC-B01", "position above max_position_notional", f"{most:.2f}", f"{worst:.2f}")
    return None


def gross_exposure(leg: Leg, view: View, limits: Limits) -> Refusal | None:
    """B02: sum of the worst case of every symbol, longs and shorts alike, as a share of equity."""
    most = limits.tightest("max_gross_exposure", equity=view.equity, account=view.account_name, fleet="*")
    if most is None or shrinks(leg, view, None):
        return None
    gross = view.gross(leg.signal.symbol, leg.signed)
    view.note("RC-B02", "gross exposure", most, gross)
    if gross <= most:
        return None
    return Refusal("RC-B02", "gross exposure above max_gross_exposure", f"{most:.2f}", f"{gross:.2f}")


def net_exposure(leg: Leg, view: View, limits: Limits) -> Refusal | None:
    """B02: longs less shorts of all symbols, as far as the leg and the open orders of its direction can take them."""
    most = limits.tightest("max_net_exposure", equity=view.equity, account=view.account_name, fleet="*")
    if most is None or shrinks(leg, view, None):
        return None
    net = view.net(leg.signal.symbol, leg.signed)
    view.note("RC-B02", "net exposure", most, net)
    if net <= most:
        return None
    return Refusal("RC-B02", "net exposure above max_net_exposure", f"{most:.2f}", f"{net:.2f}")


def open_orders(leg: Leg, view: View, limits: Limits) -> Refusal | None:
    """B06: orders that may still fill, of the symbol, the strategy and the account, this one among them. What only shrinks its book
    passes."""
    if shrinks(leg, view, leg.signal.strategy_id):
        return None
    signal = leg.signal
    for scope, key, count in (
        ("symbol", signal.symbol, sum(1 for o in view.open_orders if o.symbol == signal.symbol)),
        ("strategy", signal.strategy_id, sum(1 for o in view.open_orders if o.strategy_id == signal.strategy_id)),
        ("account", view.account_name, len(view.open_orders)),
    ):
        most = limits.tightest("max_open_orders", equity=0.0, **{scope: key})
        if most is None:
            continue
        view.note("RC-B06", f"open orders of {scope} {key}", most, float(count + 1))
        if count + 1 > most:
            return Refusal("RC-B06", f"too many open orders of {scope} {key}", f"{most:g}", str(count + 1))
    return None
