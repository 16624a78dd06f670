"""Reports of the venue as the events of `trade_updates`. Pure.

An order that the venue takes while its market is open is told twice, `pending_new` and `new`, as Alpaca's paper stream does. What
a trailing stop or a trigger does inside the venue is not told there either.
"""

from collections.abc import Iterator
from typing import Final

from libs.quant.sim_venue.listings import Listing
from libs.quant.sim_venue.orders import Execution, Order
from libs.quant.sim_venue.reports import Report
from services.sim_venue.alpaca.identity import uuid_of
from services.sim_venue.alpaca.order_json import order_json, waits_for_the_open
from services.sim_venue.alpaca.wire import Json, moment, text

_PLAIN: Final = {"held": "held", "activated": "new", "canceled": "canceled", "expired": "expired", "replaced": "replaced"}
_EXECUTED: Final = {"bust": "trade_bust", "correct": "trade_correct"}


def events(report: Report, order: Order, listing: Listing, position: int) -> Iterator[Json]:
    """What is told of a report about an order, oldest first. `position` is the account's signed lots of the symbol after it."""
    if report.kind == "accepted":
        yield from _accepted(report, order, listing)
    elif report.kind in _PLAIN:
        yield _event(_PLAIN[report.kind], report, order, listing)
    elif report.execution is not None:
        yield _executed(report, order, report.execution, listing, position)


def _accepted(report: Report, order: Order, listing: Listing) -> Iterator[Json]:
    if waits_for_the_open(order, listing, report.at):
        yield _event("accepted", report, order, listing)
        return
    if not order.replaces:
        pending = _event("pending_new", report, order, listing)
        yield {**pending, "execution_id": None, "order": {**order_json(order, listing, report.at), "status": "pending_new"}}
    yield _event("new", report, order, listing)


def _event(name: str, report: Report, order: Order, listing: Listing) -> Json:
    return {
        "event": name,
        "execution_id": str(uuid_of("report", report.account, report.n)),
        "timestamp": moment(report.at),
        "order": order_json(order, listing, report.at),
    }


def _executed(report: Report, order: Order, execution: Execution, listing: Listing, position: int) -> Json:
    """A fill has the id that the activities show it under. What takes one back has an id of its own, and names the other."""
    instrument = listing.instrument
    name = _EXECUTED.get(report.kind) or ("partial_fill" if order.remaining else "fill")
    event = _event(name, report, order, listing)
    executed = str(uuid_of("execution", report.account, execution.id))
    event |= {"previous_execution_id": executed} if report.kind in _EXECUTED else {"execution_id": executed}
    return event | {
        "price": text(instrument.price(execution.ticks)),
        "qty": text(instrument.quantity(execution.lots)),
        "position_qty": text(instrument.quantity(position)),
    }
