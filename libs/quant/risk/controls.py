"""The controls, one pure function each: those of a signal and of a standstill here. The first refusal wins; any error inside one is
a refusal too (see assess).

Codes and their bases are listed in docs/risk-controls.md.
"""

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Final

from libs.domain.kill import MEANING, Mode, applying, written
from libs.domain.losses import Halt, percent
from libs.domain.messages import Signal
from libs.domain.names import TIMEFRAMES
from libs.domain.times import SECOND
from libs.quant.risk.exposure import gross_exposure, net_exposure, open_orders, position
from libs.quant.risk.flow import crossing, order_rate
from libs.quant.risk.limits import Limits
from libs.quant.risk.order_size import order_notional, order_quantity, venue_steps
from libs.quant.risk.scopes import shrinks, subject
from libs.quant.risk.view import Leg, Refusal, View

AHEAD: Final = SECOND  # a signal may be this far in the future, market time
HALTED: Final = "RC-B05"

SignalControl = Callable[[Signal, View, Limits], Refusal | None]
LegControl = Callable[[Leg, View, Limits], Refusal | None]


def kill_switch(signal: Signal, view: View, limits: Limits) -> Refusal | None:
    """C01: nothing is ordered in a scope that a person has killed. Where books may still be reduced the leg decides (below); where
    they are being closed no strategy has a say."""
    hit = applying(view.killed, (view.account_id, view.account_name), signal.strategy_id, signal.symbol)
    view.note("RC-C01", "kill switch", "off", "off" if hit is None else written(hit[1]))
    return None if hit is None or hit[1] == "reduce_only" else _killed(*hit)


def only_reduces(leg: Leg, view: View, limits: Limits) -> Refusal | None:
    """C01: where a person has set the kill switch to reduce-only, a leg that does not shrink its book is refused."""
    signal = leg.signal
    hit = applying(view.killed, (view.account_id, view.account_name), signal.strategy_id, signal.symbol)
    return None if hit is None or shrinks(leg, view, signal.strategy_id) else _killed(*hit)


def _killed(scope: str, mode: Mode) -> Refusal:
    text = f"kill switch is on for {scope} ({written(mode)}: {MEANING[mode]}); rearm it with: fleet risk rearm --scope {scope} --reason ..."
    return Refusal("RC-C01", text, "off", written(mode))


def market_clock(signal: Signal, view: View, limits: Limits) -> Refusal | None:
    """C03: without a market clock for three host seconds nothing can be known to be fresh."""
    view.note("RC-C03", "market clock", "heard within 3 s", "stale" if view.stale else "heard")
    return Refusal("RC-C03", "no market clock for 3 s", "3 s", "stale") if view.stale else None


def known_instrument(signal: Signal, view: View, limits: Limits) -> Refusal | None:
    """A02: the symbol is an instrument of the account's market, in a currency we can count."""
    instrument = view.instruments.get(signal.symbol)
    if instrument is None:
        return Refusal("RC-A02", f"unknown instrument {signal.symbol}", "listed", "unknown")
    if instrument.currency != view.base_currency:
        return Refusal("RC-A05", f"no rate from {instrument.currency} to {view.base_currency}", view.base_currency, instrument.currency)
    view.note("RC-A02", "instrument", "listed", instrument.symbol)
    return None


def permitted_symbol(signal: Signal, view: View, limits: Limits) -> Refusal | None:
    """A13: a symbol that the operator has restricted, or has not allowed, may only be closed."""
    why = limits.forbids(signal.symbol)
    view.note("RC-A13", "symbol", "permitted", why or signal.symbol)
    if not why or signal.target == 0.0:
        return None
    return Refusal("RC-A13", f"{signal.symbol} is {why}, and may only be closed", "permitted", why)


def sound_target(signal: Signal, view: View, limits: Limits) -> Refusal | None:
    """A01: target within -1 to 1, confidence within 0 to 1, price positive; all finite."""
    numbers = (signal.target, signal.confidence, signal.scale, signal.reference_price)
    view.note("RC-A01", "target", "-1..1", signal.target)
    shares = 0 <= signal.confidence <= 1 and 0 <= signal.scale <= 1
    if all(map(isfinite, numbers)) and -1 <= signal.target <= 1 and shares and signal.reference_price > 0:
        return None
    return Refusal("RC-A01", "expected target -1..1, confidence and scale 0..1, price above 0", "", str(numbers))


def fresh_signal(signal: Signal, view: View, limits: Limits) -> Refusal | None:
    """A12: not past its `valid_until`, and from no later than a second from now. Market time."""
    view.note("RC-A12", "seconds left to act on the signal", 0.0, (signal.valid_until - view.now) / SECOND)
    if view.now > signal.valid_until:
        return Refusal("RC-A12", "the signal came too late", "0 s", f"{(view.now - signal.valid_until) / SECOND:.3f} s late")
    if signal.decided_at > view.now + AHEAD:
        return Refusal("RC-A12", "the signal is from the future", "1 s", f"{(signal.decided_at - view.now) / SECOND:.3f} s ahead")
    return None


def price_age_limit(timeframe: str, speed: float) -> int:
    """Oldest reference price that may size an order, market ns: the largest of 2 s, a bar, and half a host second."""
    return max(2 * SECOND, TIMEFRAMES[timeframe], int(speed * SECOND / 2))


def fresh_price(signal: Signal, view: View, limits: Limits) -> Refusal | None:
    """A08: the reference price is not too old."""
    age = view.now - signal.decided_at
    oldest = price_age_limit(signal.timeframe, view.speed)
    view.note("RC-A08", "age of the reference price, s", oldest / SECOND, age / SECOND)
    if age <= oldest:
        return None
    return Refusal("RC-A08", "the reference price is too old", f"{oldest / SECOND:g} s", f"{age / SECOND:.3f} s")


def price_collar(signal: Signal, view: View, limits: Limits) -> Refusal | None:
    """A07: the reference price lies within the collar around the newest price we know."""
    collar = limits.tightest("price_collar", equity=0.0, **subject(signal, view))
    mark = view.marks.get(signal.symbol)
    if collar is None or mark is None:
        return Refusal("RC-A07", "no price or no collar to judge by", str(collar), str(mark))
    off = abs(signal.reference_price - mark) / mark
    view.note("RC-A07", "distance of the reference price from the market", collar, off)
    if off <= collar:
        return None
    return Refusal("RC-A07", f"reference price {signal.reference_price:g} is away from the market at {mark:g}", f"{collar:g}", f"{off:.4f}")


def close_only(leg: Leg, view: View, limits: Limits) -> Refusal | None:
    """B05: an account that has lost too much takes no new risk until a person re-arms it. A leg that only shrinks its book passes."""
    view.note(HALTED, "loss limits passed", "none, or the order only closes", ", ".join(halt.limit for halt in view.halts) or "none")
    if not view.halts or shrinks(leg, view, leg.signal.strategy_id):
        return None
    halt = view.halts[0]
    return Refusal(HALTED, halted(view.account_id, halt), percent(halt.most), percent(halt.seen))


def halted(account_id: str, halt: Halt) -> str:
    """What a halt means and how it ends, for a person."""
    return f"{account_id} is halted by {halt.limit} and may only close: fleet risk rearm --scope account:{account_id} --reason ..."


SIGNAL_CONTROLS: Final[Sequence[SignalControl]] = (
    kill_switch,
    market_clock,
    known_instrument,
    permitted_symbol,
    sound_target,
    fresh_signal,
    fresh_price,
    price_collar,
)
LEG_CONTROLS: Final[Sequence[LegControl]] = (
    only_reduces,
    close_only,
    venue_steps,
    order_quantity,
    order_notional,
    position,
    gross_exposure,
    net_exposure,
    open_orders,
    order_rate,
    crossing,
)
