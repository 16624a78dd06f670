"""What can be read of the venue: accounts, orders and executions, folded from its reports and from nothing else.

The core itself does not need it. A view that takes reports in late is a venue whose reads lag behind its writes.
"""

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from libs.domain.books import Position, apply
from libs.quant.sim_venue.commands import OpenAccount
from libs.quant.sim_venue.listings import Listing
from libs.quant.sim_venue.orders import Execution, Order
from libs.quant.sim_venue.reports import Report

_NOTHING: Final = Position()


class AccountView:
    """One account. Balances are by currency or asset, positions signed lots by symbol; zeros may stand in both."""

    def __init__(self, name: str, opened_at: int) -> None:
        self.name = name
        self.opened_at = opened_at
        self.terms = OpenAccount(account=name, deposit={})
        self.orders: dict[int, Order] = {}  # by id, oldest first; those that ended too
        self.open: dict[int, Order] = {}  # open and held ones, oldest first
        self.by_client_id: dict[str, list[int]] = {}  # an id may be used again where the venue allows it; newest last
        self.executions: dict[int, Execution] = {}  # by id, oldest first; corrected ones as they are now, busted ones too
        self.busted: set[int] = set()
        self.of_order: defaultdict[int, list[int]] = defaultdict(list)  # execution ids by order
        self.activity: list[Report] = []  # fills, busts, corrections and transfers, as they came
        self.balances: defaultdict[str, Decimal] = defaultdict(Decimal)
        self.positions: defaultdict[str, int] = defaultdict(int)
        self.costs: dict[str, Position] = {}  # average cost by symbol, of positions

    def order_of(self, client_order_id: str) -> Order | None:
        """The newest order of a client id."""
        ids = self.by_client_id.get(client_order_id)
        return self.orders[ids[-1]] if ids else None


class View:
    """All accounts."""

    def __init__(self, listings: Mapping[str, Listing]) -> None:
        self.listings = listings
        self.accounts: dict[str, AccountView] = {}
        self.halted: set[str] = set()
        self.n = 0  # of the newest report taken in

    def apply(self, report: Report) -> None:
        """Takes in one report."""
        self.n = report.n
        if report.kind in ("halted", "resumed"):
            (self.halted.add if report.kind == "halted" else self.halted.discard)(report.symbol)
            return
        account = self.accounts.get(report.account)
        if account is None:
            account = self.accounts[report.account] = AccountView(report.account, report.at)
        if report.terms is not None:
            account.terms = report.terms
        for currency, change in report.balances.items():
            account.balances[currency] += change
        if report.order is not None:
            _place(account, report.order)
        if report.execution is not None:
            self._execute(account, report)
        if report.kind in ("fill", "bust", "correct", "transfer"):
            account.activity.append(report)

    def _execute(self, account: AccountView, report: Report) -> None:
        execution = report.execution
        assert execution is not None
        if execution.id not in account.executions:
            account.of_order[execution.order].append(execution.id)
        account.executions[execution.id] = execution
        if report.kind == "bust":
            account.busted.add(execution.id)
        if report.position:
            account.positions[report.symbol] += report.position
            instrument = self.listings[report.symbol].instrument
            held = account.costs.get(report.symbol, _NOTHING)
            account.costs[report.symbol], _ = apply(
                held, instrument.quantity(report.position), instrument.price(execution.ticks), instrument.multiplier
            )


def _place(account: AccountView, order: Order) -> None:
    if order.id not in account.orders:
        account.by_client_id.setdefault(order.asked.client_order_id, []).append(order.id)
    account.orders[order.id] = order
    if order.live:
        account.open[order.id] = order
    else:
        account.open.pop(order.id, None)
