"""What risk decided, as log lines: one for each verdict and for each order it approved."""

import logging
from typing import Final

from libs.common.logs import Outcome, about
from libs.domain.identity import client_order_id, order_id
from libs.domain.messages import VerdictKind
from libs.quant.risk.assess import Verdict
from libs.quant.risk.view import Leg

log = logging.getLogger(__name__)

_OUTCOMES: Final[dict[VerdictKind, Outcome]] = {"REFUSED": "failure", "EXPIRED": "failure", "SUPERSEDED": "failure", "WAITING": "unknown"}


def tell(verdict: Verdict, fleet_tag: str) -> None:
    """Logs a verdict that is durable."""
    signal, outcome = verdict.signal, _OUTCOMES.get(verdict.kind, "success")
    ids = {
        "signal_id": signal.signal_id,
        "strategy": signal.strategy_id,
        "symbol": signal.symbol,
        "account_id": signal.account_id,
        "session_id": signal.session_id,
    }
    for leg in verdict.legs:
        id_ = order_id(signal.signal_id, leg.n)
        told = about("order_approved", "success", order_id=id_, client_order_id=client_order_id(fleet_tag, id_, 1), **ids)
        log.info("%s: %s", "APPROVED" if verdict.kind == "APPROVED" else f"{verdict.kind}, with an order", ordered(leg), extra=told)
    if not verdict.legs:
        code = verdict.refusal.code if verdict.refusal else None
        log.info("%s %s: %s", verdict.kind, signal.symbol, _why(verdict), extra=about("signal_assessed", outcome, code=code, **ids))


def ordered(leg: Leg) -> str:
    """An order in words: `buy 12 AAPL, limit 101.5`."""
    quantity, price = leg.instrument.quantity(leg.lots), leg.instrument.price(leg.price)
    return f"{leg.side} {quantity.normalize():f} {leg.signal.symbol}, limit {price.normalize():f}"


def _why(verdict: Verdict) -> str:
    refusal = verdict.refusal
    if refusal is None:
        return verdict.reason or "nothing to do"
    numbers = f" (seen {refusal.seen}, limit {refusal.limit})" if refusal.limit or refusal.seen else ""
    return f"{refusal.code} {refusal.reason}{numbers}"
