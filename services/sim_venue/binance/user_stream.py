"""User data streams: what an account's readers are told."""

from collections.abc import Iterator
from typing import Final

from libs.quant.sim_venue.orders import Order
from libs.quant.sim_venue.reports import Kind, Report
from services.sim_venue.binance.desk import Call, Desk
from services.sim_venue.binance.figures import ms
from services.sim_venue.binance.order_answers import Json, order_list
from services.sim_venue.binance.recent import Recent
from services.sim_venue.binance.symbols import wire
from services.sim_venue.binance.user_events import account_position, balance_updates, execution_report

_ENDS: Final[frozenset[Kind]] = frozenset({"fill", "canceled", "expired", "replaced"})
_MOST_TOGETHER: Final = 3
"""Orders that an order list has at most."""


class Teller:
    """What one reader of an account is told, report by report."""

    def __init__(self, desk: Desk, account: str) -> None:
        self._desk = desk
        self._account = account
        self._holdings = desk.holdings(desk.account(account))
        self._done: Recent[int, bool] = Recent()

    def events(self, report: Report) -> Iterator[tuple[str, Json]]:
        """(symbol or "", event) of a report: the order's, then its list's, then the balances that may have changed."""
        desk = self._desk
        self._holdings.apply(report)
        if report.symbol and report.symbol not in desk.symbols:
            return
        if report.symbol:
            listing = desk.host.view.listings[report.symbol]
            cancel_id = desk.cancel_ids.get(report.order.id) if report.order is not None and report.kind == "canceled" else None
            event = execution_report(report, listing, cancel_id)
            if event is not None:
                yield report.symbol, event
            status = self._list_status(report)
            if status is not None:
                yield report.symbol, status
        for update in balance_updates(report):
            yield report.symbol, update
        if report.kind not in ("moved", "opened"):
            yield "", self._position(report)  # it is about assets

    def _list_status(self, report: Report) -> Json | None:
        order = report.order
        if order is None or not order.group:
            return None
        orders = self._together(order)
        begins = report.kind in ("accepted", "held") and order.id == order.group
        ends = report.kind in _ENDS and not any(one.live for one in orders) and self._done.get(order.group) is None
        if not begins and not ends:
            return None
        if ends:
            self._done.put(order.group, True)
        shown = order_list(orders, self._desk.host.view.listings[report.symbol])
        return {
            "e": "listStatus",
            "E": ms(report.at),
            "s": wire(report.symbol),
            "g": order.group,
            "c": shown["contingencyType"],
            "l": "ALL_DONE" if ends else "EXEC_STARTED",
            "L": "ALL_DONE" if ends else "EXECUTING",
            "r": "NONE",
            "C": shown["listClientOrderId"],
            "T": ms(report.at),
            "O": [{"s": wire(report.symbol), "i": one.id, "c": one.asked.client_order_id} for one in orders],
        }

    def _together(self, order: Order) -> list[Order]:
        """Those that were sent with it: their ids follow each other."""
        known = self._desk.account(self._account).orders
        found = [known[n] for n in range(order.group, order.group + _MOST_TOGETHER) if n in known and known[n].group == order.group]
        return found or [order]

    def _position(self, report: Report) -> Json:
        changed = dict.fromkeys(report.balances)
        if report.symbol:
            listing = self._desk.host.view.listings[report.symbol]
            changed |= dict.fromkeys((listing.base, listing.instrument.currency))
        return account_position(self._holdings.of(changed), report.at)


async def start(desk: Desk, call: Call) -> object:
    """`POST /api/v3/userDataStream`."""
    return {"listenKey": desk.keys.start(call.account, desk.host.wire_time_ns())}


async def keep(desk: Desk, call: Call) -> object:
    """`PUT /api/v3/userDataStream`."""
    desk.keys.keep(call.parameters.need("listenKey"), desk.host.wire_time_ns())
    return {}


async def stop(desk: Desk, call: Call) -> object:
    """`DELETE /api/v3/userDataStream`."""
    desk.keys.stop(call.parameters.need("listenKey"), desk.host.wire_time_ns())
    return {}
