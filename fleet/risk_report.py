"""`fleet risk report`: limits, breaches, measures, stress tests and pictures of them, as one page to keep or to send."""

from datetime import UTC, datetime
from os import environ
from pathlib import Path
from typing import Annotated, Final

import typer

from fleet.measures import AccountName
from fleet.operating import Answer, Hands, Json, ask, failed
from fleet.plan import FleetSettings
from fleet.risk_page import Section, page
from fleet.status import halt_text, killed_text
from libs.common.clocks import SystemClock
from libs.common.settings import from_environment, from_toml
from libs.domain.configuration import RiskConfig
from libs.domain.fleet import ONE_THREAD
from libs.store import control, halts, history, limits, risk_alerts
from libs.store.queries import risk_history
from libs.store.queries.accounts import account_ids

METHOD: Final = "historical"  # of the curve of value at risk
ALERTS: Final = 50


def command(
    account: AccountName = None,
    out: Annotated[Path, typer.Option(help="Where the page goes.")] = Path("risk-report.html"),
    json: Json = False,
) -> None:
    """A page of every account's limits, breaches, measures and stress tests, with pictures."""

    async def work(hands: Hands) -> Answer:
        for name, value in ONE_THREAD.items():
            environ.setdefault(name, value)  # before numpy is there, which reads it
        settings = from_environment(FleetSettings, environ)
        config = from_toml(RiskConfig, Path(settings.config_dir), "risk", settings.environment)
        database = hands.database
        stopped = [*map(killed_text, await control.killed(database)), *map(halt_text, await halts.in_force(database))]
        sections = [await _section(hands, config, account_id) for account_id in await account_ids(database, account)]
        now = datetime.fromtimestamp(SystemClock().now_ns() / 1e9, UTC)
        text = page(sections, await limits.now(database), stopped, config.measures.confidence, now)
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as error:
            return failed(f"the report cannot be written to {out}: {error.strerror}", 2)
        return Answer(f"wrote {out}: {len(sections)} account{'' if len(sections) == 1 else 's'}", {"ok": True, "file": str(out)})

    raise typer.Exit(ask(work, json=json))


async def _section(hands: Hands, config: RiskConfig, account_id: str) -> Section:
    from libs.quant.risk.measures.portfolio import risk_of
    from libs.quant.risk.measures.returns import LEAST

    database, measures = hands.database, config.measures
    known = await history.material(database, account_id, measures.benchmarks, observations=measures.observations, enough=LEAST)
    return Section(
        known,
        risk_of(known, measures, config.shock),
        next((standing for standing in await halts.standings(database) if standing.account_id == account_id), None),
        await risk_history.worth(database, account_id),
        await risk_history.value_at_risk(database, account_id, measures.confidence, METHOD),
        await risk_history.refused(database, account_id),
        await risk_history.halts(database, account_id),
        [alert for alert in await risk_alerts.newest(database, ALERTS) if alert.account_id == account_id],
    )
