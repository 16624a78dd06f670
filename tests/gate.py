"""One control of the gate at a time."""

from typing import Any, Final

from libs.domain.messages import Signal
from libs.quant.risk.controls import LEG_CONTROLS, SIGNAL_CONTROLS
from libs.quant.risk.limits import Limits
from libs.quant.risk.view import Leg, Refusal, View

CONTROLS: Final[dict[str, Any]] = {control.__name__: control for control in (*SIGNAL_CONTROLS, *LEG_CONTROLS)}


def ask(control: str, subject: Signal | Leg, view: View, limits: Limits) -> Refusal | None:
    """What one control says, by the limits that apply."""
    signal = subject.signal if isinstance(subject, Leg) else subject
    refusal: Refusal | None = CONTROLS[control](subject, view, limits.over(view.account_name, signal.strategy_id, signal.symbol))
    return refusal


def code(refusal: Refusal | None) -> str | None:
    return refusal.code if refusal else None
