"""Whether the prices that an order is made of are to be believed."""

from typing import Final

from libs.domain.messages import Signal
from libs.domain.names import TIMEFRAMES
from libs.domain.times import SECOND
from libs.quant.risk.limits import Bounds
from libs.quant.risk.view import Leg, Refusal, View

BPS: Final = 10_000


def price_age_limit(timeframe: str, speed: float) -> int:
    """Oldest reference price that may size an order, market ns: the largest of 2 s, a bar, and half a host second."""
    return max(2 * SECOND, TIMEFRAMES[timeframe], int(speed * SECOND / 2))


def fresh_price(signal: Signal, view: View, bounds: Bounds) -> Refusal | None:
    """A08: the reference price is not too old."""
    age = view.now - signal.decided_at
    oldest = view.ages.get(signal.timeframe)
    if oldest is None:
        oldest = view.ages[signal.timeframe] = price_age_limit(signal.timeframe, view.speed)
    if view.checks is not None:
        view.note("RC-A08", "age of the reference price, s", oldest / SECOND, age / SECOND)
    if age <= oldest:
        return None
    return Refusal("RC-A08", "the reference price is too old", f"{oldest / SECOND:g} s", f"{age / SECOND:.3f} s")


def price_collar(signal: Signal, view: View, bounds: Bounds) -> Refusal | None:
    """A07: the reference price lies within the collar around the newest price we know."""
    collar, mark = bounds.price_collar, view.marks.get(signal.symbol)
    if collar is None or mark is None:
        return Refusal("RC-A07", "no price or no collar to judge by", str(collar), str(mark))
    off = abs(signal.reference_price - mark) / mark
    if view.checks is not None:
        view.note("RC-A07", "distance of the reference price from the market", collar, off)
    if off <= collar:
        return None
    return Refusal("RC-A07", f"reference price {signal.reference_price:g} is away from the market at {mark:g}", f"{collar:g}", f"{off:.4f}")


def sane_quote(leg: Leg, view: View, bounds: Bounds) -> Refusal | None:
    """A08: where the market has quotes, bid and ask are the right way round and no farther apart than `max_spread`, a share of their
    middle. What only shrinks its book passes: its limit price is bounded as it is."""
    quote = view.quotes.get(leg.signal.symbol)
    if quote is None:
        return None
    bid, ask = quote
    if bid > ask and not view.shrinks(leg, leg.signal.strategy_id):
        return Refusal("RC-A08", "bid above ask: the market of the symbol is crossed", "bid <= ask", f"{bid:g} > {ask:g}")
    most = bounds.max_spread
    if most is None:
        return None
    spread = (ask - bid) / ((ask + bid) / 2)
    if view.checks is not None:
        view.note("RC-A08", "spread, a share of the price", most, spread)
    if spread <= most or view.shrinks(leg, leg.signal.strategy_id):
        return None
    return Refusal("RC-A08", "spread above max_spread", f"{most:g}", f"{spread:.4f}")


def price_jump(leg: Leg, view: View, bounds: Bounds) -> Refusal | None:
    """A08: the newest close is no farther from the one before than `max_price_jump`. What only shrinks its book passes."""
    most, before = bounds.max_price_jump, view.before.get(leg.signal.symbol)
    if most is None or before is None:
        return None
    jump = abs(view.marks[leg.signal.symbol] / before - 1)
    if view.checks is not None:
        view.note("RC-A08", "jump from the close before, a share of it", most, jump)
    if jump <= most or view.shrinks(leg, leg.signal.strategy_id):
        return None
    return Refusal("RC-A08", f"price jump above max_price_jump, from {before:g}", f"{most:g}", f"{jump:.4f}")


def protection_sides(leg: Leg, view: View, bounds: Bounds) -> Refusal | None:
    """A09: what is to protect an entry stands on its side of the market, at least a tick away: a stop or trailing stop where it loses, a
    target where it gains, both at a price above zero."""
    exits = leg.protect
    if exits is None:
        return None
    tick, price = view.grid(leg.signal.symbol).tick, leg.signal.reference_price
    buys = leg.side == "buy"
    for what, bps, gains in (
        ("stop", exits.stop_bps, False),
        ("trailing stop", exits.trail_bps, False),
        ("target", exits.target_bps, True),
    ):
        if not bps:
            continue
        away = price * bps / BPS
        at = price + away if gains == buys else price - away
        if view.checks is not None:
            view.note("RC-A09", f"distance of the {what} from the market, at least a tick", tick, away)
        if not (away >= tick and at >= tick):
            return Refusal("RC-A09", f"the {what} would not stand on its side of the market at {price:g}", f"{tick:g} away", f"{at:g}")
    return None
