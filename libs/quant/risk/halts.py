"""Loss limits: when an account may only close, until a person re-arms it. Pure: no clock, no I/O.

Equity is float64, as `View.equity` counts it. A limit that is passed over halts the account; a loss of exactly the limit
does not, as with every other limit. Nothing here ever lifts a halt.
"""

from collections.abc import Collection
from math import isfinite

from libs.domain.configuration import LossLimitName
from libs.domain.losses import Halt, LossLimits, LossState, loss
from libs.quant.risk.limits import Limits


def loss_limits(limits: Limits, account_name: str) -> LossLimits:
    """The tightest that apply to an account."""
    return LossLimits(
        limits.tightest("max_daily_loss", equity=0.0, account=account_name, fleet="*"),
        limits.tightest("max_drawdown", equity=0.0, account=account_name, fleet="*"),
    )


def evaluate(
    state: LossState | None, now: int, equity: float, limits: LossLimits, day: int, rearmed: Collection[LossLimitName] = ()
) -> tuple[LossState, tuple[Halt, ...]]:
    """The state after looking at the equity once more, and the halts that are new.

    Equal inputs change nothing: it may be called as often as one likes between two changes of the equity. No money is
    paid in or out of an account once it is open, so none is counted against a loss.

    Args:
        state: as last returned, without the halts that were lifted since; None when the account is looked at first.
        now: market ns.
        equity: as of now.
        day: market ns at which the trading day of `now` began.
        rearmed: limits that a person has re-armed since: their losses are counted from this equity on.

    Raises:
        ValueError: the equity is no number: nothing can be said of a loss.
    """
    if not isfinite(equity):
        raise ValueError(f"expected an equity that is a number, got {equity}")
    state = LossState(now, equity, day, equity, equity) if state is None else as_of_day(state, day)
    day_equity = equity if "max_daily_loss" in rearmed else state.day_equity
    peak = equity if "max_drawdown" in rearmed else max(state.peak_equity, equity)
    halted = {halt.limit for halt in state.halts}
    measured: tuple[tuple[LossLimitName, float, float | None], ...] = (
        ("max_daily_loss", day_equity, limits.max_daily_loss),
        ("max_drawdown", peak, limits.max_drawdown),
    )
    found = tuple(
        Halt(name, now, equity, reference, most, seen)
        for name, reference, most in measured
        if most is not None and name not in halted and (seen := loss(reference, equity)) > most
    )
    return LossState(now, equity, state.day, day_equity, peak, state.halts + found), found


def as_of_day(state: LossState, day: int) -> LossState:
    """The state in a trading day: when it is a new one its loss counts from the last equity known before it began."""
    return state if day <= state.day else state._replace(day=day, day_equity=state.equity)
