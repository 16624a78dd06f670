"""What became of orders, as log lines: one for each step that is durable."""

import logging
from collections.abc import Iterator, Mapping
from typing import Final

from libs.common.logs import Outcome, about
from libs.domain.orders import Evidence, Intent, Order, OrderEvent, Status
from libs.domain.trades import Trade
from services.trade_executor.hop import Change

log = logging.getLogger(__name__)

_BAD: Final = frozenset({Status.REJECTED, Status.NOT_ACCEPTED, Status.DENIED, Status.EXPIRED})
_OPEN_QUESTION: Final = frozenset({Status.UNKNOWN, Status.CANCEL_UNKNOWN, Status.REPLACE_UNKNOWN})
_WORDS: Final[Mapping[str, str]] = {
    Intent.SUBMIT: "sent to the venue",
    Intent.WORK: "worked in parts",
    Intent.CANCEL: "cancel asked for",
    Intent.REPLACE: "replacement asked for",
    Intent.DENY: "denied before it was sent",
    Intent.FINISH: "its slices have ended",
    "expire": "its time is over",
    "child_fill": "a slice of it was filled",
    "adopt": "taken over from the venue",
    "undone": "changed by the venue afterwards",
    Evidence.ACCEPTED: "accepted by the venue",
    Evidence.REJECTED: "rejected by the venue",
    Evidence.NOT_SENT: "did not leave this host",
    Evidence.UNCLEAR: "no clear answer from the venue",
    Evidence.CANCEL_UNCLEAR: "no clear answer to the cancel",
    Evidence.CANCEL_REFUSED: "the venue refused to cancel it",
    Evidence.REPLACE_UNCLEAR: "no clear answer to the replacement",
    Evidence.REPLACE_REFUSED: "the venue refused to replace it",
    Evidence.REPLACED: "replaced at the venue",
    Evidence.CANCELED: "canceled by the venue",
    Evidence.EXPIRED: "ended by the venue at its time",
    Evidence.NOT_ACCEPTED: "the venue has never had it",
}


def ids(order: Order) -> dict[str, object]:
    """The labels of every line that speaks of the order."""
    return {
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "signal_id": order.signal_id,
        "strategy": order.strategy_id,
        "symbol": order.symbol,
        "account_id": order.account_id,
        "session_id": order.session_id,
    }


def tell(change: Change) -> None:
    """Logs every order's step of a change that is durable; one that contradicts what was believed as an error, and that an order which
    was to be sent has not left, as a warning: nobody has refused it, and it is not tried again."""
    trades = iter(change.trades)
    for event in change.events:
        extra = about(f"order_{event.event}", _outcome(event), **ids(change.orders[event.order_id].order))
        text = _text(event, trades)
        if event.anomaly:
            log.error("%s: %s, which contradicts what was believed", event.status, text, extra=extra)
        else:
            log.log(logging.WARNING if event.event == Evidence.NOT_SENT else logging.INFO, "%s: %s", event.status, text, extra=extra)


def _outcome(event: OrderEvent) -> Outcome:
    if event.status in _OPEN_QUESTION:
        return "unknown"
    return "failure" if event.status in _BAD else "success"


def _text(event: OrderEvent, trades: Iterator[Trade]) -> str:
    if event.event != "fill":
        return f"{event.symbol} {_WORDS.get(event.event, event.event)}" + (f" ({event.detail})" if event.detail else "")
    trade = next(trades)  # one for each fill event, in the same order
    what = "bought" if trade.side == "buy" else "sold"
    fee = f", fee {trade.commission.normalize():f} {trade.fee_currency}" if trade.commission else ""
    pnl = f", P&L {trade.pnl:+,.2f}" if trade.pnl else ""
    sum_ = f"; {event.filled_quantity.normalize():f} filled in all" if event.filled_quantity != trade.quantity else ""
    return f"{what} {trade.quantity.normalize():f} {trade.symbol} @ {trade.executed_price.normalize():f}{fee}{pnl}{sum_}"
