"""Whether the system itself is fit to take on more: host, clocks, releases, venue, as trade_executor has found them."""

from typing import Final

from libs.quant.risk.limits import Bounds
from libs.quant.risk.view import Leg, Refusal, View

NOT_HERE: Final = "reconciliation"
"""Record and venue may agree again before the order would be sent, and what waits for that is trade_executor's own matter (C07)."""


def system_state(leg: Leg, view: View, bounds: Bounds) -> Refusal | None:
    """C04, C06, C10 and one release: an account that is disarmed takes no new risk until it is armed again, which it is by itself. A leg
    that only shrinks its book passes."""
    if not view.disarmed:
        return None
    reason = next((reason for reason in view.disarmed if reason.key != NOT_HERE), None)
    if reason is None or view.shrinks(leg, leg.signal.strategy_id):
        return None
    return Refusal(reason.code, f"{view.account_id} is disarmed: {reason.text}", reason.limit, reason.seen)
