"""`fleet risk alerts` and `ack`: what a person has to acknowledge, and that somebody has."""

from typing import Annotated, Final

import typer

from fleet import operating
from fleet.operating import REFUSED, USAGE, Answer, Hands, Json, ask
from libs.common.database import Conflict
from libs.store import risk_alerts
from libs.store.risk_alerts import RiskAlertStanding

SHOWN: Final = 20


def alerts(
    everything: Annotated[bool, typer.Option("--all", help=f"The newest {SHOWN}, acknowledged or not.")] = False, json: Json = False
) -> None:
    """Critical alerts that wait to be acknowledged, and how long that may take before their account is stopped."""

    async def work(hands: Hands) -> Answer:
        found = await (risk_alerts.newest(hands.database, SHOWN) if everything else risk_alerts.unacknowledged(hands.database))
        none = "no alert was ever raised" if everything else "no alert waits to be acknowledged"
        return Answer("\n".join(map(alert_text, found)) or none, {"alerts": [alert._asdict() for alert in found]})

    raise typer.Exit(ask(work, json=json))


def ack(
    alert: Annotated[str, typer.Argument(help="Its id, or the beginning of it.")],
    reason: Annotated[str, typer.Option(help="What you found: for the record.")],
    json: Json = False,
) -> None:
    """Acknowledge an alert: it stops nothing any more. What it has stopped is re-armed with `fleet risk rearm`."""

    async def work(hands: Hands) -> Answer:
        try:
            done = await hands.control.acknowledge(alert, reason, hands.by)
        except ValueError as error:
            return operating.failed(str(error), USAGE)
        except Conflict:
            return operating.failed(f"alert {alert} was acknowledged by somebody else meanwhile", REFUSED)
        then = f"; its account stays stopped until `fleet risk rearm --scope account:{done.account_id}`" if done.tripped_at else ""
        return Answer(f"acknowledged {str(done.id)[:8]}: {done.code} in {done.book}{then}", {"ok": True, "id": str(done.id)})

    raise typer.Exit(ask(work, json=json))


def alert_text(alert: RiskAlertStanding) -> str:
    """One line, and what to do about it."""
    often = f", {alert.times} times" if alert.times > 1 else ""
    what = f"{alert.code} in {alert.book}{often}: {alert.message}"
    return f"{str(alert.id)[:8]}  {alert.at:%Y-%m-%d %H:%M:%S}  {what}\n          {_then(alert)}"


def _then(alert: RiskAlertStanding) -> str:
    if alert.acknowledged_at is not None:
        return f"acknowledged by {alert.acknowledged_by} {alert.acknowledged_at:%H:%M:%S}: {alert.reason}"
    if alert.tripped_at is not None:
        return f"nobody answered: account {alert.account_id} was stopped {alert.tripped_at:%H:%M:%S}"
    return f"stops account {alert.account_id} in {max(0.0, alert.left_s):.0f} s unless it is acknowledged"
