"""A position that is too large to be held over night: a person hears of it once a session, in its last ten minutes."""

from typing import Final
from uuid import UUID

from libs.common.clocks import HostClock
from libs.common.envelope import Sealer
from libs.common.journal import Hop, Outgoing
from libs.domain.identity import overnight_id
from libs.domain.messages import Notification, RiskAlert
from libs.domain.streams import RISK_ALERTS
from libs.domain.times import iso
from libs.quant.risk.limits import Limits
from libs.quant.risk.market_state import TooLarge, too_large_overnight
from libs.quant.risk.view import View
from libs.store import notifications
from libs.store.risk import RiskStore
from libs.store.sessions import Account

CODE: Final = "RC-B13"
RUNBOOK: Final = "runbooks/position-size"


class OvernightWatch:
    """Of one account. What was told is on record: neither a restart nor a hop that is decided again says it twice."""

    def __init__(self, store: RiskStore, account: Account, host: HostClock, sealer: Sealer) -> None:
        self._store = store
        self._account = account
        self._host = host
        self._sealer = sealer
        self._told: set[UUID] = set()  # as the record was seen to say

    async def add_to(self, hop: Hop, view: View, limits: Limits) -> None:
        """What is found now and was not told yet goes into the hop."""
        try:
            found = {overnight_id(self._account.account_id, one.symbol, one.close): one for one in too_large_overnight(view, limits)}
        except LookupError:  # told by who looks at its losses
            return
        self._told &= found.keys()
        if unknown := found.keys() - self._told:
            self._told |= await self._store.told(list(unknown))
        fresh = {id_: one for id_, one in found.items() if id_ not in self._told}
        if fresh:
            hop.writes.append(notifications.store([self._note(id_, one) for id_, one in fresh.items()], "risk_manager"))
            hop.out += [self._alert(one, view.now) for one in fresh.values()]

    def _note(self, id_: UUID, one: TooLarge) -> Notification:
        title = f"{one.symbol} is about to be held over night by {self._account.account_id}: {CODE}"
        body = f"{self._words(one)}. Nothing is added to it until {iso(one.close)}, and nothing is sold by this."
        return notifications.notification(self._host, "risk", "warning", title, body, link=RUNBOOK, id_=id_)

    def _words(self, one: TooLarge) -> str:
        currency = self._account.base_currency
        return f"worth {one.seen:,.2f} {currency}, above max_overnight_notional of {one.most:,.2f}, and the session is about to end"

    def _alert(self, one: TooLarge, now: int) -> Outgoing:
        alert = RiskAlert(
            code=CODE,
            severity="warning",
            account_id=self._account.account_id,
            strategy_id="",
            symbol=one.symbol,
            message=self._words(one),
            limit=f"{one.most:.2f}",
            seen=f"{one.seen:.2f}",
            market_time=now,
        )
        stream = RISK_ALERTS.stream or ""
        return Outgoing(stream, RISK_ALERTS.address, None, self._sealer.seal(stream, alert, ts_event_ns=now, trace=""))
