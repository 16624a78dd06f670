"""Whom a limit is about, and whether a leg only brings its book nearer to zero."""

from libs.domain.messages import Signal
from libs.quant.risk.view import Leg, View


def subject(signal: Signal, view: View) -> dict[str, str]:
    """What is being judged, by limit scope."""
    return {"order": "*", "symbol": signal.symbol, "strategy": signal.strategy_id, "account": view.account_name, "fleet": "*"}


def shrinks(leg: Leg, view: View, strategy_id: str | None) -> bool:
    """Whether the leg, filled after everything open, can only bring the position nearer to zero."""
    low, high = view.exposure_lots(leg.signal.symbol, strategy_id)
    return 0 < leg.lots <= (low if leg.side == "sell" else -high)
