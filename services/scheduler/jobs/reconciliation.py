"""The books against each other, and word to trade_executor to compare them with the venue at once."""

from collections.abc import Sequence
from typing import Final

from libs.domain.messages import Notification
from libs.store import jobs
from libs.store.audit import ledger_faults
from libs.store.notifications import Severity, State
from services.scheduler.duty import Done, Duty, Failed

KEY: Final = "ledger_difference"
SHOWN: Final = 10


async def run(duty: Duty) -> Done:
    """Asks first: what the venue has that was missed is then booked while we look."""
    await duty.control.reconcile(f"job {duty.run.job_id}", "scheduler")
    faults = await ledger_faults(duty.database, {})
    if faults:
        told = _told(duty, "critical", "The books do not agree", listed(faults), "firing")
        raise Failed(f"the ledger differs in {len(faults)} {'place' if len(faults) == 1 else 'places'}: {faults[0]}", [told])
    balanced = "Every transaction sums to zero; positions and cash equal the ledger."
    was_wrong = await jobs.firing(duty.database, "scheduler", [KEY])
    resolved = [_told(duty, "info", "The books agree again", balanced, "resolved")] if was_wrong else []
    return Done("the books agree; trade_executor was asked to compare them with the venue", resolved)


def _told(duty: Duty, severity: Severity, title: str, body: str, state: State) -> Notification:
    return duty.told("risk", severity, title, body, state=state, key=KEY, link="runbooks/ledger-difference")


def listed(faults: Sequence[str]) -> str:
    """Differences as a list that a person will read."""
    left = len(faults) - SHOWN
    lines = [f"- {fault}" for fault in faults[:SHOWN]]
    return "\n".join([*lines, f"- and {left} more"] if left > 0 else lines)
