"""From target to order: one signal after another, each seeing what those before it reserved. Pure: no clock, no I/O."""

import logging
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec

from libs.domain.configuration import StrategyConfig
from libs.domain.executions import takes_ns
from libs.domain.identity import client_order_id, order_id
from libs.domain.messages import Signal, VerdictKind
from libs.domain.names import TIMEFRAMES
from libs.domain.orders import Exits, Order, Side, Status
from libs.domain.sizings import NO_STOP, sizing
from libs.quant.risk.controls import SIGNAL_CONTROLS, leg_controls
from libs.quant.risk.flow import ordered_at
from libs.quant.risk.lifetime import expires_at
from libs.quant.risk.limits import Bounds, Limits
from libs.quant.risk.order_size import needed_permit
from libs.quant.risk.size import desired_lots, terms_of_signal
from libs.quant.risk.view import Check, Leg, OpenOrder, Refusal, Terms, View
from libs.quant.sizing import Uncountable, ticks_towards

log = logging.getLogger(__name__)

CHECK_FAILED: Final = "RC-ERR"
"""A control could not be worked out: that refuses, and a person has to know."""


class Verdict(NamedTuple):
    """The answer to one signal: orders to place, and open orders to cancel first."""

    signal: Signal
    kind: VerdictKind
    refusal: Refusal | None = None
    legs: tuple[Leg, ...] = ()
    cancels: tuple[OpenOrder, ...] = ()
    reason: str = ""
    checks: tuple[Check, ...] = ()  # what the controls compared, when the view notes it


class Waiting(NamedTuple):
    """A signal whose book had open orders: decided again when they are gone."""

    signal: Signal
    leg: int  # the next one to place: 0, or 1 after the exit of a flip


Judge = Callable[[Signal, int, View, Limits], Verdict]
"""(signal, number of the first order it may place, view, limits) -> verdict."""


def assess_all(
    waiting: Sequence[Waiting], fresh: Sequence[Signal], view: View, limits: Limits, judge: "Judge | None" = None
) -> list[Verdict]:
    """Verdicts on all signals that can be decided now; waiting ones first, at most one verdict a signal.

    Changes `view` as it goes: approved legs become its open orders.

    Args:
        judge: None for `assess`, and nothing else anywhere but in backtests with risk off.
    """
    judge = judge or assess
    verdicts: dict[object, Verdict] = {}
    newer = {(s.strategy_id, s.symbol) for s in fresh}
    for signal, leg in waiting:
        book = (signal.strategy_id, signal.symbol)
        if book in newer:
            verdicts[signal.signal_id] = Verdict(signal, "SUPERSEDED", reason="a newer signal of the book came")
        elif view.now > good_until(signal, leg, _worked_ns(signal, view)):
            verdicts[signal.signal_id] = Verdict(signal, "EXPIRED", reason="valid_until passed while waiting")
        elif not view.book_orders(*book):
            verdicts[signal.signal_id] = _fail_closed(judge, signal, leg, view, limits)
    for signal in fresh:
        for id_, earlier in list(verdicts.items()):
            if earlier.kind == "WAITING" and (earlier.signal.strategy_id, earlier.signal.symbol) == (signal.strategy_id, signal.symbol):
                verdicts[id_] = Verdict(
                    earlier.signal, "SUPERSEDED", cancels=earlier.cancels, legs=earlier.legs, reason="a newer signal came"
                )
        verdicts[signal.signal_id] = _fail_closed(judge, signal, 0, view, limits)
    return list(verdicts.values())


def _fail_closed(judge: Judge, signal: Signal, leg: int, view: View, limits: Limits) -> Verdict:
    """Any error inside a control is a refusal."""
    if view.checks is not None:
        view.checks.clear()
    try:
        verdict = judge(signal, leg, view, limits)
    except Uncountable as error:  # no fault to trace: more was asked for than can be counted, and the verdict says so
        return Verdict(signal, "REFUSED", Refusal(CHECK_FAILED, f"{type(error).__name__}: {error}"))
    except Exception as error:
        ids = {"signal_id": str(signal.signal_id), "strategy": signal.strategy_id, "symbol": signal.symbol}
        told = {"labels": ids, "trace": {"id": ids["signal_id"]}}
        log.exception("an error while assessing signal %s; refused", signal.signal_id, extra=told)
        return Verdict(signal, "REFUSED", Refusal(CHECK_FAILED, f"{type(error).__name__}: {error}"))
    if view.checks:
        verdict = verdict._replace(checks=tuple(view.checks))
    if verdict.refusal is not None and verdict.refusal.disables:
        view.disable(signal.strategy_id)
    for leg_ in verdict.legs:
        _reserve(leg_, view)
    return verdict


def _reserve(leg: Leg, view: View) -> None:
    signal, id_ = leg.signal, order_id(leg.signal.signal_id, leg.n)
    if leg.permit is not None:
        view.permits = [permit for permit in view.permits if permit.id != leg.permit]
    view.reserve(OpenOrder(id_, signal.strategy_id, signal.symbol, leg.side, leg.lots, leg.price, Status.APPROVED))
    grid = view.grid(signal.symbol)
    decided_at = signal.decided_at
    view.flow.add(
        ordered_at(decided_at, signal.strategy_id, signal.symbol, leg.side, leg.lots, leg.price, signal.signal_id, not leg.closes, grid)
    )


def assess(signal: Signal, leg: int, view: View, limits: Limits) -> Verdict:
    """The verdict on one signal, `leg` being the number of the first order it may place."""
    judged = signal if leg == 0 else as_decided_now(signal, leg, view.now, _worked_ns(signal, view))
    strategy_id, symbol = signal.strategy_id, signal.symbol
    bounds = limits.over(view.account_name, strategy_id, symbol)
    for judges_signal in SIGNAL_CONTROLS:
        if (refusal := judges_signal(judged, view, bounds)) is not None:
            return Verdict(signal, "REFUSED", refusal)
    desired = desired_lots(signal, view, limits)
    held = view.positions.get((strategy_id, symbol), 0)
    open_orders = view.book_orders(strategy_id, symbol)
    if held == desired if not open_orders else held + sum(o.signed for o in open_orders) == desired:
        return Verdict(signal, "NO_CHANGE", reason="the book is there or on its way")
    if open_orders:
        return Verdict(signal, "WAITING", cancels=tuple(open_orders), reason="open orders of the book have to end first")
    if within_band(desired - held, signal, view):
        return Verdict(signal, "NO_CHANGE", reason="within the no-trade band")
    flips = held * desired < 0
    if flips and leg > 0:
        return Verdict(signal, "EXPIRED", reason="the exit of the flip was not filled, and is not tried again")
    change = -held if flips else desired - held
    proposed = proposal(judged, leg, change, view, bounds)
    for judges_leg in leg_controls(bounds.given):
        if (refusal := judges_leg(proposed, view, bounds)) is not None:
            return Verdict(signal, "REFUSED", refusal)
    if view.permits and (permit := needed_permit(proposed, view, bounds)) is not None:
        proposed = proposed._replace(permit=permit.id)
    if flips:
        return Verdict(signal, "WAITING", legs=(proposed,), reason="the exit of a flip goes first")
    return Verdict(signal, "APPROVED", None, (proposed,))


def good_until(signal: Signal, leg: int, worked_ns: int = 0) -> int:
    """Market ns up to which the signal may still place that order: the second of a flip a bar longer than the first, and as long
    as it takes to work the exit, which is known to be filled a bar after that at the earliest."""
    return signal.valid_until + leg * (TIMEFRAMES[signal.timeframe] + worked_ns)


def _worked_ns(signal: Signal, view: View) -> int:
    terms = view.terms.get(signal.strategy_id)
    return takes_ns(terms.execution) if terms is not None else 0


def as_decided_now(signal: Signal, leg: int, now: int, worked_ns: int = 0) -> Signal:
    """The signal as its next order is judged by: the second order of a flip is decided when its exit is gone."""
    if leg == 0:
        return signal
    return msgspec.structs.replace(signal, decided_at=now, valid_until=good_until(signal, leg, worked_ns))


def within_band(change: int, signal: Signal, view: View) -> bool:
    """Whether a change is too small to trade. A target of zero is always traded."""
    if change == 0 or signal.target == 0.0:
        return change == 0
    terms = terms_of_signal(signal, view)
    if not terms.no_trade_band:
        return False
    grid = view.grid(signal.symbol)
    worth = abs(change) * grid.lot * signal.reference_price * grid.multiplier
    return worth < terms.no_trade_band * terms.allocation * view.equity


def proposal(signal: Signal, leg: int, change: int, view: View, bounds: Bounds) -> Leg:
    """A marketable limit at the collar around the reference price, rounded towards it."""
    collar = bounds.price_collar
    if collar is None:
        raise LookupError("no price_collar is configured, and a naked market order is never sent")
    price = signal.reference_price * (1 + collar if change > 0 else 1 - collar)
    ticks = ticks_towards(price, view.grid(signal.symbol).tick, signal.reference_price)
    return leg_of(signal, leg, change, ticks, view)


def leg_of(signal: Signal, leg: int, change: int, ticks: int, view: View) -> Leg:
    """An order of so many lots (signed) at a limit: one that closes only closes, one that opens says what is to protect it."""
    instrument = view.instruments[signal.symbol]
    held = view.positions.get((signal.strategy_id, signal.symbol), 0)
    closes, lots = held * change < 0 and abs(change) <= abs(held), abs(change)
    side: Side = "buy" if change > 0 else "sell"
    terms = terms_of_signal(signal, view)
    notional = view.grid(signal.symbol).notional(lots, ticks)
    return Leg(signal, leg, side, lots, ticks, instrument, notional, terms.execution, closes, None if closes else terms.exits)


def order_of(leg: Leg, *, fleet_tag: str, venue: str, grace_ns: int) -> Order:
    """The order that a leg of a verdict becomes: a limit that lives until the end of the next bar, and as long as it is worked."""
    signal = leg.signal
    id_ = order_id(signal.signal_id, leg.n)
    return Order(
        order_id=id_,
        client_order_id=client_order_id(fleet_tag, id_, 1),
        account_id=signal.account_id,
        venue=venue,
        session_id=signal.session_id,
        strategy_id=signal.strategy_id,
        symbol=signal.symbol,
        signal_id=signal.signal_id,
        leg=leg.n,
        side=leg.side,
        order_type="limit",
        quantity=leg.instrument.quantity(leg.lots),
        price=leg.instrument.price(leg.price),
        time_in_force="GTD",
        decided_at=signal.decided_at,
        valid_until=signal.valid_until,
        expires_at=expires_at(signal, grace_ns, leg.instrument.calendar) + takes_ns(leg.execution),
        execution=leg.execution,
        reduce_only=leg.closes,
        protect=leg.protect,
    )


def terms_of(config: StrategyConfig, exits: Exits | None = None) -> Terms:
    """What a configured strategy may hold; `exits` in the place of its own.

    Raises:
        ValueError: its sizing is none, or hangs on a stop that it has not.
    """
    rule, exits = sizing(config.sizing), exits or config.exits
    if rule.base == "risk" and not exits.stop:
        raise ValueError(f"strategy {config.id}, sizing {config.sizing!r}: {NO_STOP}")
    return Terms(
        config.allocation,
        config.no_trade_band,
        rule,
        config.execution,
        exits if exits.any else None,
        None if "*" in config.symbols else frozenset(config.symbols),
    )
