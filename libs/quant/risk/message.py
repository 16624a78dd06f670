"""The signal itself: whether it is one, and whether it still holds."""

from math import inf, isfinite
from typing import Final

from libs.domain.messages import Signal
from libs.domain.times import SECOND
from libs.quant.risk.limits import Bounds
from libs.quant.risk.view import Refusal, View

AHEAD: Final = SECOND  # a signal may be this far in the future, market time


def sound_target(signal: Signal, view: View, bounds: Bounds) -> Refusal | None:
    """A01: target within -1 to 1, confidence and scale within 0 to 1, price positive and finite. NaN is within nothing."""
    if view.checks is not None:
        view.note("RC-A01", "target", "-1..1", signal.target if isfinite(signal.target) else str(signal.target))
    shares = 0 <= signal.confidence <= 1 and 0 <= signal.scale <= 1
    if shares and -1 <= signal.target <= 1 and 0 < signal.reference_price < inf:
        return None
    numbers = (signal.target, signal.confidence, signal.scale, signal.reference_price)
    return Refusal("RC-A01", "expected target -1..1, confidence and scale 0..1, price above 0", "", str(numbers))


def fresh_signal(signal: Signal, view: View, bounds: Bounds) -> Refusal | None:
    """A12: not past its `valid_until`, and from no later than a second from now. Market time."""
    if view.checks is not None:
        view.note("RC-A12", "seconds left to act on the signal", 0.0, (signal.valid_until - view.now) / SECOND)
    if view.now > signal.valid_until:
        return Refusal("RC-A12", "the signal came too late", "0 s", f"{(view.now - signal.valid_until) / SECOND:.3f} s late")
    if signal.decided_at > view.now + AHEAD:
        return Refusal("RC-A12", "the signal is from the future", "1 s", f"{(signal.decided_at - view.now) / SECOND:.3f} s ahead")
    return None
