"""What an account can lose, measured again and again: rows of risk_metrics, and gauges. No hop waits for it, nor depends on it."""

import asyncio
import logging
from collections.abc import Sequence
from os import environ
from typing import TYPE_CHECKING, Final

from libs.common import metrics
from libs.common.database import Database, Rejected, Unreachable
from libs.common.logs import about
from libs.domain.fleet import ONE_THREAD
from libs.domain.measuring import MeasuresConfig, ShockConfig
from libs.quant.risk.measures.breaches import breaches
from libs.store import history, measures
from services.risk_manager.responding import Responding

if TYPE_CHECKING:  # numpy comes with it: only the process that measures pays for it
    from libs.quant.risk.measures.picture import PortfolioRisk

log = logging.getLogger(__name__)

DAY_S: Final = 86_400.0
GAUGES: Final = (
    metrics.VALUE_AT_RISK,
    metrics.EXPECTED_SHORTFALL,
    metrics.PORTFOLIO_VOLATILITY,
    metrics.CORRELATION,
    metrics.WORST_STRESS,
    metrics.TIME_TO_EXIT,
)


class Measuring:
    """Of one account, while its lease is ours."""

    def __init__(
        self,
        database: Database,
        account_id: str,
        config: MeasuresConfig,
        shocks: Sequence[ShockConfig],
        responding: Responding | None = None,
        name: str = "",
    ) -> None:
        """
        Args:
            responding: to measures that are too high; None: nobody.
            name: what the account is configured as.
        """
        self._responding = responding
        self._name = name
        self._database = database
        self._account_id = account_id
        self._config = config
        self._shocks = shocks

    async def run(self) -> None:
        """Until cancelled. What cannot be measured is told, and tried again."""
        while True:
            try:
                await self.measure()
            except Unreachable as error:
                log.warning("measures wait for the database: %s", error, extra=self._about("database_lost"))
            except (LookupError, ValueError, ArithmeticError, Rejected) as error:
                log.error("the risk of %s is not measured: %s", self._account_id, error, extra=self._about("risk_measured"))
            await asyncio.sleep(self._config.every)

    async def measure(self) -> "PortfolioRisk":
        """Measures once, stores it and shows it.

        Raises:
            LookupError, ValueError: the record does not hold what can be measured; the message says what.
        """
        for name, value in ONE_THREAD.items():
            environ.setdefault(name, value)  # before numpy is there, which reads it
        from libs.quant.risk.measures.figures import figures
        from libs.quant.risk.measures.portfolio import risk_of
        from libs.quant.risk.measures.returns import LEAST

        known = await history.material(
            self._database, self._account_id, self._config.benchmarks, observations=self._config.observations, enough=LEAST
        )
        risk = await asyncio.to_thread(risk_of, known, self._config, self._shocks)
        await self._database.write([measures.store(self._account_id, known.market_time, risk.equity, risk)])
        self._show(risk)
        if self._responding is not None:
            found = figures(risk, self._config.confidence)
            await self._responding.respond(breaches(found, self._responding.responses, self._name))
        return risk

    def _show(self, risk: "PortfolioRisk") -> None:
        """Shares of the equity. What could not be measured this time is not shown, rather than as it was before."""
        account = self._account_id
        for gauge in GAUGES:
            gauge.remove_by_labels({"account": account})
        if risk.equity <= 0:
            return
        for tail in risk.tails:
            if tail.confidence == self._config.confidence:
                metrics.VALUE_AT_RISK.labels(account=account, method=tail.method).set(tail.value_at_risk / risk.equity)
                metrics.EXPECTED_SHORTFALL.labels(account=account, method=tail.method).set(tail.expected_shortfall / risk.equity)
        if risk.volatility is not None:
            metrics.PORTFOLIO_VOLATILITY.labels(account=account).set(risk.volatility / risk.equity)
        if risk.correlation is not None:
            metrics.CORRELATION.labels(account=account).set(risk.correlation.mean)
        if risk.stress:
            metrics.WORST_STRESS.labels(account=account).set(max(0.0, *(-test.pnl / risk.equity for test in risk.stress)))
        if risk.liquidity is not None:
            metrics.TIME_TO_EXIT.labels(account=account).set(risk.liquidity.days * DAY_S)

    def _about(self, action: str) -> dict[str, object]:
        return about(action, "failure", account_id=self._account_id)
