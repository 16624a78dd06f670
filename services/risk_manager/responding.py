"""What is done of itself when a measured risk is too high: a word, a throttle, a kill switch. Nothing here is ever taken back by itself."""

import logging
from collections.abc import Sequence
from typing import Final

from libs.common.clocks import HostClock
from libs.common.database import Database
from libs.common.logs import about
from libs.domain.kill import MODES, Mode, named
from libs.domain.limits import Change
from libs.domain.measuring import ResponseConfig
from libs.domain.messages import Notification
from libs.quant.risk.measures.breaches import Breach
from libs.store import control, limits, notifications
from libs.store.control import Control
from libs.store.notifications import Severity, State
from libs.store.sessions import Account

log = logging.getLogger(__name__)

BY: Final = "risk_manager"
RUNBOOK: Final = "runbooks/risk-response"
THROTTLED: Final = "max_orders_per_minute"
WHY: Final = "throttled: "  # begins the reason of a limit that was set here


class Responding:
    """Of one account."""

    def __init__(
        self,
        database: Database,
        control_: Control,
        account: Account,
        responses: Sequence[ResponseConfig],
        host: HostClock,
        calm_s: float = 0.0,
    ) -> None:
        """`calm_s`: how long nothing has to be too high before its end is told, host seconds."""
        self.responses = responses
        self._database = database
        self._control = control_
        self._account = account
        self._host = host
        self._calm_s = calm_s
        self._told: dict[ResponseConfig, tuple[str, float]] = {}  # with the host time at which it was too high last

    async def respond(self, found: Sequence[Breach]) -> None:
        """To all that is too high now: told when it begins and when it is over; and the strictest of its steps is taken.

        Raises:
            Unreachable: the record is away; the next measurement finds the same again.
        """
        await self._tell(found)
        steps = {breach.response.step: breach for breach in found}
        modes = [mode for mode in MODES if mode in steps]
        if modes:
            await self._stop(modes[0], steps[modes[0]])
        if "throttle" in steps:
            await self._throttle(steps["throttle"])

    async def _tell(self, found: Sequence[Breach]) -> None:
        at = self._host.monotonic()
        now = {breach.response: (str(breach), at) for breach in found}
        over = {old: told for old, told in self._told.items() if old not in now and at - told[1] >= self._calm_s}
        said = [self._note(response, text, "firing") for response, (text, _) in now.items() if response not in self._told]
        said += [self._note(response, text, "resolved") for response, (text, _) in over.items()]
        if said:
            await self._database.write([notifications.store(said, BY)])
        self._told = {old: told for old, told in self._told.items() if old not in over} | now

    def _note(self, response: ResponseConfig, text: str, state: State) -> Notification:
        severity: Severity = "warning" if response.step in ("warn", "throttle") else "critical"
        over = " is over" if state == "resolved" else ""
        title = f"Risk of {self._account.account_id}{over}: {text}"
        body = f"Step: {response.step}. `fleet risk measures` says where it comes from; `fleet risk status` what is stopped."
        key = f"risk_response:{self._account.account_id}:{response.measure}:{response.step}"
        return notifications.notification(self._host, "risk", severity, title, body, state=state, key=key, link=RUNBOOK)

    async def _stop(self, mode: Mode, breach: Breach) -> None:
        """Sets the account's kill switch, unless it is on and as strict."""
        mine = ("account", self._account.account_id)
        on = {(scope, key): there for scope, key, there in await control.kills(self._database)}
        if mine in on and MODES.index(on[mine]) <= MODES.index(mode):
            return
        await self._control.kill("account", self._account.account_id, mode, str(breach), BY)
        log.critical("account %s is stopped (%s): %s", mine[1], mode, breach, extra=self._about("kill_switch_set"))

    async def _throttle(self, breach: Breach) -> None:
        """Halves the orders a minute, once: the row of the record that says so stands until a person writes another."""
        name = self._account.name
        standing = await limits.now(self._database)
        rows = [row for row in standing.holding if (row.scope, row.name) == ("account", THROTTLED) and row.key in ("*", name)]
        if any(row.reason.startswith(WHY) for row in rows):
            return
        most = min((row.value for row in rows if row.value is not None), default=0.0) // 2
        if most < 1:
            log.warning("%s, and %s of %s has no limit that could be halved", breach, THROTTLED, name, extra=self._about("throttled"))
            return
        await self._control.limit([Change("account", name, THROTTLED, "count", most)], f"{WHY}{breach}", BY, 0.0)
        log.warning("account %s is throttled to %g orders a minute: %s", name, most, breach, extra=self._about("throttled"))

    def _about(self, action: str) -> dict[str, object]:
        return about(action, "failure", account_id=self._account.account_id, scope=named("account", self._account.account_id))
