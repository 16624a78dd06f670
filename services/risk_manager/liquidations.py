"""Flatten, as risk_manager does it: the orders that close books go into the hop, and a person hears how far it is.

So is an external book that a person wants closed (`fleet doctor close`): that one alone, and no longer than until it is flat.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from libs.common.clocks import HostClock
from libs.common.envelope import Sealer
from libs.common.journal import Hop, Outgoing
from libs.common.logs import about
from libs.domain.kill import named
from libs.domain.messages import Notification, RiskAlert
from libs.domain.orders import Order
from libs.domain.reconciling import EXTERNAL
from libs.domain.streams import ORDERS_APPROVED, RISK_ALERTS
from libs.quant.risk.limits import Limits
from libs.quant.risk.liquidation import ITEM, Attempts, Exit, Plan, Stuck, Switch, order_of, plan
from libs.quant.risk.view import View
from libs.store import notifications, reconciliation
from libs.store.risk import Assessment, ClosingRow, RiskStore, Snapshot, store_assessments, store_orders
from libs.store.sessions import Account, Session

log = logging.getLogger(__name__)

RUNBOOK: Final = "runbooks/kill-switch"
SERVICE: Final = "risk_manager"


class Liquidator:
    """One account under one lease."""

    def __init__(
        self,
        store: RiskStore,
        account: Account,
        session: Session,
        widest: float,
        fleet_tag: str,
        host: HostClock,
        sealer: Sealer,
    ) -> None:
        """`widest`: how far from the newest price an attempt may go."""
        self._store = store
        self._account = account
        self._session = session
        self._widest = widest
        self._fleet_tag = fleet_tag
        self._host = host
        self._sealer = sealer
        self._closing = False  # whether books are being closed, as far as was told
        self._stuck: dict[tuple[str, str], str] = {}  # why books cannot be closed, as far as was told
        self._planned: Plan | None = None
        self._orders: list[tuple[Exit, Order]] = []

    def due(self, snapshot: Snapshot) -> bool:
        """Whether books may have to be closed, or a person is to hear that they are. What an earlier hop planned was not committed."""
        self._planned, self._orders = None, []
        flattens = bool(snapshot.positions) and any(mode == "flatten" for _, _, mode, _ in snapshot.killed)
        return self._closing or flattens or bool(snapshot.closing)

    async def add_to(self, hop: Hop, snapshot: Snapshot, view: View, limits: Limits, epoch: int) -> None:
        """What closes books goes into the hop, after what its signals have led to."""
        switches, whole = [Switch(*row) for row in snapshot.killed], whole_lots(snapshot, view)
        flat = [row for row in snapshot.closing if _is_closed(row, whole, view)]
        closing = {row.symbol: Switch(ITEM, str(row.item), "flatten", row.since) for row in snapshot.closing if row not in flat}
        since = min((s.set_at for s in (*switches, *closing.values()) if s.mode == "flatten"), default=None)
        tried = await self._store.liquidations(since) if since is not None else {}
        attempts = {book: Attempts(*known) for book, known in tried.items()}
        self._planned = planned = plan(view, switches, attempts, limits, self._widest, whole, closing)
        self._orders = [(exit_, self._order(exit_, view)) for exit_ in planned.exits]
        if flat:
            hop.writes.append(reconciliation.closed((row.item, row.since) for row in flat))
        if self._orders:
            assessments = [_assessment(exit_, order, _why(exit_.switch, snapshot.closing)) for exit_, order in self._orders]
            hop.writes.append(store_assessments(assessments))
            hop.writes.append(store_orders([order for _, order in self._orders], epoch))
        for exit_, order in self._orders:
            body = self._sealer.seal(ORDERS_APPROVED.stream or "", order, ts_event_ns=view.now, trace=str(order.signal_id))
            hop.out.append(Outgoing(ORDERS_APPROVED.stream or "", ORDERS_APPROVED.address, order.order_id, body))
            hop.out.append(self._alert(exit_.strategy_id, exit_.symbol, f"liquidation: {_words(exit_)}", view.now))
        fresh = [stuck for stuck in planned.stuck if self._stuck.get((stuck.strategy_id, stuck.symbol)) != stuck.why]
        hop.out += [self._alert(s.strategy_id, s.symbol, f"cannot be closed: {s.why}", view.now) for s in fresh]
        if said := self._said(planned, fresh):
            hop.writes.append(notifications.store(said, SERVICE))

    def committed(self) -> list[Order]:
        """What was planned is durable: the orders of it."""
        planned, self._planned = self._planned, None
        if planned is None:
            return []
        for exit_, order in self._orders:
            ids = {"order_id": order.order_id, "strategy": exit_.strategy_id, "symbol": exit_.symbol, "account_id": order.account_id}
            log.critical("liquidation: %s", _words(exit_), extra=about("order_approved", "success", **ids))
        orders, self._orders = [order for _, order in self._orders], []
        for stuck in planned.stuck:
            if self._stuck.get((stuck.strategy_id, stuck.symbol)) != stuck.why:
                told = about("liquidation", "failure", strategy=stuck.strategy_id, symbol=stuck.symbol)
                log.critical("%s of %s cannot be closed: %s", stuck.symbol, stuck.strategy_id, stuck.why, extra=told)
        self._stuck = {(stuck.strategy_id, stuck.symbol): stuck.why for stuck in planned.stuck}
        if self._closing and not planned.open:
            log.warning("every book is closed", extra=about("liquidation", "success", account_id=self._account.account_id))
        self._closing = planned.open > 0
        return orders

    def _order(self, exit_: Exit, view: View) -> Order:
        session = self._session
        return order_of(
            exit_,
            view,
            session_id=session.session_id,
            venue=self._account.venue,
            timeframe=session.timeframes[0],
            fleet_tag=self._fleet_tag,
        )

    def _said(self, planned: Plan, fresh: list[Stuck]) -> list[Notification]:
        account, said = self._account.account_id, []
        if planned.open and not self._closing:
            said.append(self._note(f"Flatten: closing {planned.open} books of {account}", "By limits beyond the newest price, until flat."))
        if self._closing and not planned.open:
            said.append(self._note(f"Flatten: every book of {account} is closed", "A kill switch keeps it so until it is re-armed."))
        for stuck in fresh:
            title = f"Flatten: {stuck.symbol} of {stuck.strategy_id} in {account} cannot be closed"
            body = f"{stuck.why.capitalize()}. It is tried again and again; close it at the venue itself if that takes too long."
            said.append(self._note(title, body, "critical", "firing", fault(account, stuck.strategy_id, stuck.symbol)))
        still = {(stuck.strategy_id, stuck.symbol) for stuck in planned.stuck}
        for strategy_id, symbol in self._stuck.keys() - still:
            title = f"Flatten: {symbol} of {strategy_id} in {account} can be closed again"
            said.append(self._note(title, "", "critical", "resolved", fault(account, strategy_id, symbol)))
        return said

    def _note(
        self, title: str, body: str, severity: notifications.Severity = "warning", state: notifications.State = "note", key: str = ""
    ) -> Notification:
        return notifications.notification(self._host, "risk", severity, title, body, state=state, key=key, link=RUNBOOK)

    def _alert(self, strategy_id: str, symbol: str, message: str, now: int) -> Outgoing:
        alert = RiskAlert(
            code="RC-C01",
            severity="critical",
            account_id=self._account.account_id,
            strategy_id=strategy_id,
            symbol=symbol,
            message=message,
            limit="flat",
            seen="open",
            market_time=now,
        )
        stream = RISK_ALERTS.stream or ""
        return Outgoing(stream, RISK_ALERTS.address, None, self._sealer.seal(stream, alert, ts_event_ns=now, trace=""))


def fault(account_id: str, strategy_id: str, symbol: str) -> str:
    """What fires while a book that is to be closed cannot be."""
    return f"liquidation_stuck:{account_id}:{strategy_id}:{symbol}"


def whole_lots(snapshot: Snapshot, view: View) -> dict[tuple[str, str], int]:
    """What can be closed of each book: what others have traded for the account need not lie on our grid."""
    return {(strategy, symbol): int(held / view.instruments[symbol].lot) for strategy, symbol, held in snapshot.positions}


def _is_closed(row: ClosingRow, whole: Mapping[tuple[str, str], int], view: View) -> bool:
    """Whether nothing is left that an order can close: less than a lot may be."""
    return not whole.get((EXTERNAL, row.symbol)) and not view.book_orders(EXTERNAL, row.symbol)


def _why(switch: Switch, closing: Iterable[ClosingRow]) -> str:
    if switch.scope != ITEM:
        return f"the kill switch of {named(switch.scope, switch.key)} flattens"
    row = next(row for row in closing if str(row.item) == switch.key)
    return f"{row.by} wants the book closed (`fleet doctor`, item {switch.key[:8]}): {row.reason}"


def _words(exit_: Exit) -> str:
    quantity, price = exit_.instrument.quantity(exit_.lots), exit_.instrument.price(exit_.price)
    return (
        f"{exit_.side} {quantity.normalize():f} {exit_.symbol} of {exit_.strategy_id}, limit {price.normalize():f}"
        f" ({exit_.collar:.1%} from the newest price), attempt {exit_.attempt + 1}"
    )


def _assessment(exit_: Exit, order: Order, why: str) -> Assessment:
    return Assessment(
        order.signal_id,
        order.session_id,
        order.account_id,
        order.strategy_id,
        order.symbol,
        "APPROVED",
        "",
        f"liquidation, attempt {exit_.attempt + 1}: {why}",
        "",
        "",
        msgspec.json.encode([]).decode(),
    )
