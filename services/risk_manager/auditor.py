"""The order-flow auditor: what the broker holds and has done is compared with what was approved, each ten seconds, by nobody who trades.

Two looks that agree halt the account, by the kill switch that an operator would set. A look that failed proves nothing, neither way:
once there was no whole one for a while a person is told that nobody watches.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from libs.common import metrics
from libs.common.clocks import HostClock
from libs.common.database import Database, Rejected, Unreachable
from libs.common.envelope import Sealer
from libs.common.journal import Hop, Outgoing
from libs.common.logs import Outcome, about
from libs.domain.messages import Notification, RiskAlert
from libs.domain.streams import RISK_ALERTS
from libs.quant.risk.audit import Approval, Broker, Finding, agreed, compared
from libs.store import auditing, notifications
from libs.store.auditing import AuditStore
from libs.store.control import Control
from libs.store.notifications import Severity, State
from services.risk_manager.brokers import NotRead, Reader

log = logging.getLogger(__name__)

EVERY_S: Final = 10.0
AGREE_AFTER_S: Final = 1.0
BLIND_AFTER_S: Final = 60.0
WITHOUT_RECORD_S: Final = 2.0  # until the database is asked again
MOST_TOLD: Final = 5  # findings that a message spells out; all of them are tickets
BY: Final = "auditor"
RUNBOOK: Final = "runbooks/auditor"


class Auditor:
    """Of one account."""

    def __init__(
        self,
        account_id: str,
        reader: Reader,
        database: Database,
        control: Control,
        clock: HostClock,
        sealer: Sealer,
        market_time: Callable[[], int],
    ) -> None:
        self._account_id = account_id
        self._reader = reader
        self._database = database
        self._store = AuditStore(database, account_id)
        self._control = control
        self._clock = clock
        self._sealer = sealer
        self._market_time = market_time
        self._whole_at = clock.monotonic()  # when the broker was last read whole
        self._blind = False
        self.trouble = ""  # why the newest look was not whole

    async def run(self) -> None:
        """Looks until cancelled."""
        try:
            while True:
                began = self._clock.monotonic()
                try:
                    await self.audit()
                except (Unreachable, Rejected) as error:
                    self._unread(f"the record cannot be read: {error}")
                    await asyncio.sleep(WITHOUT_RECORD_S)
                except Exception as error:  # a defect of an adapter must not leave the account without its auditor
                    log.exception("auditing %s", self._account_id, extra=self._about("failure"))
                    self._unread(f"{type(error).__name__}: {error}")
                await self._tell_blind()
                await asyncio.sleep(max(EVERY_S - (self._clock.monotonic() - began), AGREE_AFTER_S))
        finally:
            await self._reader.close()

    async def audit(self) -> list[Finding]:
        """One look, and another where it finds something; what both see alike halts the account, once. What they agree on."""
        try:
            found, look = await self._compared()
            if found:
                await asyncio.sleep(AGREE_AFTER_S)
                again, look = await self._compared()
                found = agreed(found, again, self._account_id)
        except NotRead as error:
            self._unread(str(error))
            return []
        if found:
            await self._halt(found)
        await self._store.close_decided()
        self._reader.judged(look)
        self._read(found)
        return found

    async def _compared(self) -> tuple[list[Finding], Broker]:
        """The broker first: whatever it has by then was approved on record before, if it ever was."""
        look = await self._reader.look()
        ids = {order.client_order_id for order in look.orders} | {fill.client_order_id for fill in look.fills}
        if not ids:
            return [], look
        approvals = [Approval(*row) for row in await self._store.approvals(ids)]  # type: ignore[arg-type]
        accepted = await self._store.accepted(ids | {fill.exec_key for fill in look.fills})
        return compared(look, approvals, accepted), look

    async def _halt(self, found: Sequence[Finding]) -> None:
        items = {finding.item(self._account_id): finding for finding in found}
        fresh = await self._store.fresh(list(items))
        if not fresh:
            return  # a person has been told, and it is his to decide
        news = [items[item] for item in fresh]
        reason = told(news[0]) + (f"; and {len(news) - 1} more" if len(news) > 1 else "")
        note = self._note("critical", f"The auditor halts {self._account_id}: {news[0].detail}", _body(news))
        hop = Hop(writes=[*auditing.opened(fresh), notifications.store([note], BY)], out=[self._alert(finding) for finding in news])
        await self._control.kill("account", self._account_id, "halt", reason, BY, hop)
        for finding in news:
            metrics.AUDIT_FINDINGS.labels(account=self._account_id, what=finding.what).inc()
            extra = self._about("failure", client_order_id=finding.client_order_id, symbol=finding.symbol)
            log.critical("account %s is halted: %s", self._account_id, told(finding), extra=extra)

    # --- how it goes

    def _read(self, found: Sequence[Finding]) -> None:
        self._whole_at, self.trouble = self._clock.monotonic(), ""
        metrics.AUDITED.labels(account=self._account_id).set(self._clock.now_ns() / 1e9)
        metrics.AUDIT_LOOKS.labels(account=self._account_id, outcome="found" if found else "clean").inc()

    def _unread(self, why: str) -> None:
        if why != self.trouble:
            log.warning("the auditor cannot judge %s: %s", self._account_id, why, extra=self._about("unknown"))
        self.trouble = why
        metrics.AUDIT_LOOKS.labels(account=self._account_id, outcome="unread").inc()

    async def _tell_blind(self) -> None:
        """A person hears when nobody watches, and when somebody does again."""
        blind = bool(self.trouble) and self._clock.monotonic() - self._whole_at >= BLIND_AFTER_S
        if blind == self._blind or (self.trouble and not blind):
            return
        title = f"Nobody audits {self._account_id}" if blind else f"{self._account_id} is audited again"
        body = f"There was no whole look at its broker for {BLIND_AFTER_S:g} s: {self.trouble}. Trading goes on." if blind else ""
        note = self._note("warning", title, body, "firing" if blind else "resolved", f"auditor_blind:{self._account_id}")
        try:
            await self._database.write([notifications.store([note], BY)])
        except (Unreachable, Rejected) as error:
            log.warning("%s; that cannot be told: %s", title, error, extra=self._about("unknown"))
            return
        self._blind = blind

    def _note(self, severity: Severity, title: str, body: str, state: State = "note", key: str = "") -> Notification:
        return notifications.notification(self._clock, "risk", severity, title, body, state=state, key=key, link=RUNBOOK)

    def _alert(self, finding: Finding) -> Outgoing:
        now, stream = self._market_time(), RISK_ALERTS.stream or ""
        alert = RiskAlert(
            code=finding.code,
            severity="critical",
            account_id=self._account_id,
            strategy_id="",
            symbol=finding.symbol,
            message=f"{finding.detail}: {finding.client_order_id}",
            limit=finding.approved,
            seen=finding.seen,
            market_time=now,
        )
        return Outgoing(stream, RISK_ALERTS.address, None, self._sealer.seal(stream, alert, ts_event_ns=now, trace=""))

    def _about(self, outcome: Outcome, **ids: str) -> dict[str, object]:
        return about("audit", outcome, account_id=self._account_id, **ids)


def told(finding: Finding) -> str:
    """A finding in so many words."""
    return f"{finding.code} {finding.detail}: order {finding.client_order_id}, approved {finding.approved}, seen {finding.seen}"


def _body(found: Sequence[Finding]) -> str:
    lines = [f"- {told(finding)}" for finding in found[:MOST_TOLD]]
    if len(found) > MOST_TOLD:
        lines.append(f"- and {len(found) - MOST_TOLD} more: `fleet doctor` has them all")
    what = "Nothing new leaves, and every open order of the account is cancelled. Find out who sent it before it is re-armed:"
    return "\n".join([*lines, "", what, "", "    fleet doctor", "    fleet risk status"])
