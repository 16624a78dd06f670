"""How large: from a target to whole lots. What the account and the strategy's own trades say of it is worked out here and noted."""

from libs.domain.messages import Signal
from libs.quant.risk.limits import Limits
from libs.quant.risk.view import NO_EDGE, SIZED, Terms, View
from libs.quant.sizing import to_lots
from libs.quant.sizing_factors import drawdown_scale, fixed_fraction, fractional_kelly


def desired_lots(signal: Signal, view: View, limits: Limits) -> int:
    """Position the target asks for, in lots: target x scale x factors x allocation x equity / price, cut to what the book may hold.

    With a fixed number of units it is target x scale x factors x units. An account worth less than nothing can only go flat.
    """
    terms = terms_of_signal(signal, view)
    grid = view.grid(signal.symbol)
    worth = max(0.0, view.equity)
    capital = terms.allocation * worth
    if terms.sizing.base == "fixed" and worth > 0:
        capital = terms.sizing.value * signal.reference_price * grid.multiplier
    wish = signal.target * signal.scale * capital
    if wish:
        wish *= _factors(signal.strategy_id, terms, view)
    bound = limits.over(view.account_name, signal.strategy_id, signal.symbol).strategy_position
    if bound is not None:
        most = bound.at(worth)
        wish = most if wish > most else -most if wish < -most else wish
    if wish < 0.0 and not view.allow_short:
        wish = 0.0
    return to_lots(wish / (signal.reference_price * grid.multiplier), grid.lot)


def terms_of_signal(signal: Signal, view: View) -> Terms:
    """What its strategy may hold.

    Raises:
        LookupError: nobody has configured it.
    """
    try:
        return view.terms[signal.strategy_id]
    except KeyError:
        raise LookupError(f"strategy {signal.strategy_id} is not configured here") from None


def _factors(strategy_id: str, terms: Terms, view: View) -> float:
    """The product of what is named, at most 1; each factor is noted with what it follows from."""
    rule, product = terms.sizing, 1.0
    if rule.base == "risk":
        stop = terms.exits.stop if terms.exits is not None else 0.0
        risk = min(1.0, fixed_fraction(rule.value, stop))
        view.note(SIZED, f"risk:{rule.value:g}, stop at {stop:.4g} of the price", None, risk)
        product *= risk
    if rule.kelly is not None:
        edge = view.edges.get(strategy_id, NO_EDGE)
        share = fractional_kelly(rule.kelly, edge)
        seen = f"{edge.wins} of {edge.trades} closed trades won, mean win {edge.mean_win:.4g}, mean loss {edge.mean_loss:.4g}"
        view.note(SIZED, f"kelly:{rule.kelly:g}, {seen}", None, share)
        product *= share
    if rule.drawdown is not None:
        fallen = view.drawdown
        left = drawdown_scale(fallen, rule.drawdown)
        view.note(SIZED, f"drawdown:{rule.drawdown:g}, {max(0.0, fallen):.4g} below the peak", None, left)
        product *= left
    return product
