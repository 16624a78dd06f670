"""Alerts that a person has to acknowledge: told as soon as they stand, and the account is stopped when nobody answers in time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from libs.common import metrics
from libs.common.clocks import HostClock
from libs.common.database import Conflict, Database, Unreachable
from libs.common.envelope import Sealer
from libs.common.logs import about
from libs.domain.configuration import AlertsConfig
from libs.domain.messages import Notification
from libs.store import notifications, risk_alerts
from libs.store.control import Control
from libs.store.risk_alerts import RiskAlertStanding

log = logging.getLogger(__name__)

EVERY_S: Final = 0.5
RUNBOOK: Final = "runbooks/risk-alert"
SERVICE: Final = "risk_manager"

Publish = Callable[[list[tuple[str, bytes]]], Awaitable[object]]


class AlertWatch:
    """Of one account, while its lease is ours: two who looked would only say it twice."""

    def __init__(
        self,
        database: Database,
        control: Control,
        account_id: str,
        config: AlertsConfig,
        sealer: Sealer,
        host: HostClock,
        publish: Publish,
    ) -> None:
        """`publish` rings bells: monitor hears at once, and within a second without."""
        self._database = database
        self._control = control
        self._account_id = account_id
        self._config = config
        self._sealer = sealer
        self._host = host
        self._publish = publish

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except Unreachable as error:
                log.warning("alerts wait for the database: %s", error, extra=about("database_lost", "failure", account_id=self._account_id))
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Tells what is new, and stops the account for what is overdue."""
        standing = await risk_alerts.unacknowledged(self._database, self._account_id)
        metrics.RISK_ALERTS_OPEN.labels(account=self._account_id).set(len(standing))
        if fresh := [alert for alert in standing if alert.told_at is None]:
            said = [self._firing(alert) for alert in fresh]
            await self._database.write([risk_alerts.told([alert.id for alert in fresh]), notifications.store(said, SERVICE)])
            await self._publish(notifications.bells(said, self._sealer, self._host))
        for alert in standing:
            if alert.left_s <= 0 and alert.tripped_at is None:
                await self._trip(alert)

    async def _trip(self, alert: RiskAlertStanding) -> None:
        try:
            await self._control.trip(alert, self._config.mode, SERVICE)
        except Conflict:
            return  # a person was faster
        told = about("alert_unanswered", "failure", account_id=alert.account_id, code=alert.code)
        log.critical("nobody has acknowledged alert %s: account %s is stopped (%s)", alert.id, alert.account_id, alert.message, extra=told)

    def _firing(self, alert: RiskAlertStanding) -> Notification:
        return notifications.notification(
            self._host,
            "risk",
            "critical",
            f"{alert.code} in {alert.book}: acknowledge within {self._config.acknowledge_within:g} s",
            f"{alert.message}\n\nUnless somebody does, the kill switch of account {alert.account_id} is set:\n\n"
            f'    fleet risk alerts\n    fleet risk ack {str(alert.id)[:8]} --reason "..."',
            state="firing",
            key=alert.fault,
            link=RUNBOOK,
        )
