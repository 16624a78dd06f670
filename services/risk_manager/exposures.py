"""What an account holds, at every look of its hop: gauges, and what the operator lets it hold at the most. No hop waits for it."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Final

from prometheus_client import Gauge

from libs.common import metrics
from libs.common.consumer import Bell
from libs.common.database import Rejected, Unreachable
from libs.common.envelope import accounts_of
from libs.common.logs import about
from libs.quant.risk.measures.breaches import Breach, breaches
from libs.quant.risk.measures.exposures import exposures, figures
from libs.quant.risk.view import View
from libs.store.sessions import Account
from services.risk_manager.responding import Responding

log = logging.getLogger(__name__)

LOOK_AFTER_S: Final = 0.1
"""From a fill to a look: those of one burst are looked at together."""
PAUSE_S: Final = 0.2
"""Between two responses, which ask the record."""
SILENCE_S: Final = 1.0
CALM_S: Final = 60.0
"""So long nothing has to be too high before its end is told: what a price moves goes back and forth over its bound."""
GAUGES: Final = (metrics.CURRENCY_EXPOSURE, metrics.STRATEGY_EXPOSURE, metrics.MARGIN_USED)


class ExposureWatch:
    """Of one account, while its lease is ours."""

    def __init__(self, account: Account, responding: Responding) -> None:
        self._account = account
        self._responding = responding
        self._bell = Bell()
        self._shown: tuple[set[str], set[str]] = set(), set()  # currencies, strategies
        self.found: Sequence[Breach] = ()  # at the last look, until it is responded to

    def look(self, view: View, drawdown: float | None) -> None:
        """At the account as the hop sees it. What cannot be valued is not shown, rather than as it was before."""
        try:
            held = exposures(view)
        except LookupError:  # told by who looks at its losses
            self._show({}, {}, None)
            self.found = ()
            return
        self._show(held.currencies, held.strategies, held.margin)
        self.found = breaches(figures(held, drawdown), self._responding.responses, self._account.name)
        if self.found:
            self._bell.ring()

    def _show(self, currencies: Mapping[str, float], strategies: Mapping[str, float], margin: float | None) -> None:
        account = self._account.account_id
        _set(metrics.CURRENCY_EXPOSURE, account, currencies, self._shown[0])
        _set(metrics.STRATEGY_EXPOSURE, account, strategies, self._shown[1])
        if margin is None:
            metrics.MARGIN_USED.remove(account)
        else:
            metrics.MARGIN_USED.labels(account=account).set(margin)
        self._shown = set(currencies), set(strategies)

    async def run(self) -> None:
        """Responds to what each look has found, until cancelled."""
        while True:
            await self._bell.wait(SILENCE_S)
            found, self.found = self.found, ()  # once: of a look that was long ago nobody knows whether it still holds
            try:
                await self._responding.respond(found)
            except Unreachable as error:
                log.warning("responses wait for the database: %s", error, extra=self._about("database_lost"))
            except (LookupError, ValueError, Rejected) as error:
                log.error("nothing is done about what %s holds: %s", self._account.account_id, error, extra=self._about("risk_response"))
            await asyncio.sleep(PAUSE_S)

    def _about(self, action: str) -> dict[str, object]:
        return about(action, "failure", account_id=self._account.account_id)


def _set(gauge: Gauge, account: str, values: Mapping[str, float], shown: set[str]) -> None:
    for key, value in values.items():
        gauge.labels(account, key).set(value)
    for key in shown - values.keys():
        gauge.remove(account, key)


class AfterFills:
    """Rings whoever has traded: once for a burst of fills, LOOK_AFTER_S after its first."""

    def __init__(self, bells: Mapping[str, Bell]) -> None:
        """`bells`: of the accounts of this session."""
        self._bells = bells
        self._due: set[str] = set()  # accounts that are about to be rung

    def hear(self, _: str, payload: bytes) -> None:
        """A message of `trades.executed`."""
        named = accounts_of(payload)
        for account_id in self._bells.keys() if "" in named else named & self._bells.keys():
            if account_id not in self._due:
                self._due.add(account_id)
                asyncio.get_running_loop().call_later(LOOK_AFTER_S, self._ring, account_id)

    def _ring(self, account_id: str) -> None:
        self._due.discard(account_id)
        self._bells[account_id].ring()
