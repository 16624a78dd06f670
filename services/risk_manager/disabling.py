"""A control that disables a strategy: the kill switch is set in the transaction of the refusal, and a person hears of it."""

from collections.abc import Sequence

from libs.common.clocks import HostClock
from libs.common.database import Write
from libs.common.journal import Hop
from libs.domain.kill import named
from libs.quant.risk.assess import Verdict
from libs.store import notifications

SERVICE = "risk_manager"
RUNBOOK = "runbooks/strategy-disabled"


def disable(hop: Hop, verdicts: Sequence[Verdict], account_id: str, host: HostClock) -> None:
    """What the refusals that disable lead to goes into the hop; each strategy once. The monitor hears of it within a second."""
    found = {v.signal.strategy_id: v.refusal for v in verdicts if v.refusal is not None and v.refusal.disables}
    for strategy_id, refusal in found.items():
        reason = f"{refusal.code} {refusal.reason} (seen {refusal.seen}, limit {refusal.limit})"
        scope = named("strategy", strategy_id)
        note = notifications.notification(
            host,
            "risk",
            "critical",
            f"Strategy {strategy_id} of {account_id} may only reduce its books: {refusal.code}",
            f"{refusal.reason}: seen {refusal.seen}, limit {refusal.limit}. Nothing else of it is ordered until a person re-arms it:\n\n"
            f'    fleet risk status\n    fleet risk rearm --scope {scope} --reason "..."',
            link=RUNBOOK,
        )
        hop.writes += [
            Write("select strategy_disable(%s, %s, %s)", (strategy_id, reason, SERVICE)),
            notifications.store([note], SERVICE),
        ]
