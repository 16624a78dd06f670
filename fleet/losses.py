"""`fleet risk status` and `rearm`, as far as losses go: what is stopped, how far each account is from its limits, what was lifted."""

from collections.abc import Iterator, Sequence

from fleet.limits import pending_text
from fleet.operating import Answer
from fleet.risk_alerts import alert_text
from fleet.status import halt_text, killed_text
from libs.common.database import Database
from libs.domain.losses import loss, percent
from libs.store import control, halts, limits, risk_alerts
from libs.store.control import Rearmed
from libs.store.halts import HaltStanding, LossStanding


async def risk_status(database: Database) -> Answer:
    """Kill switches that are on, halts in force, and every account beside its loss limits."""
    killed, in_force, accounts = await control.killed(database), await halts.in_force(database), await halts.standings(database)
    stopped = [*map(killed_text, killed), *map(halt_text, in_force)]
    standing, waiting = await limits.now(database), await risk_alerts.unacknowledged(database)
    lines = [
        *(stopped or ["armed: no kill switch is on, no account is halted"]),
        *(f"ALERT      {alert_text(alert)}" for alert in waiting),
        *account_lines(accounts),
        *map(pending_text, standing.pending),
    ]
    return Answer(
        "\n".join(lines),
        {
            "killed": [k._asdict() for k in killed],
            "halts": [halt._asdict() for halt in in_force],
            "alerts": [alert._asdict() for alert in waiting],
            "limits": {"version": standing.version, "pending": [row._asdict() for row in standing.pending]},
            "accounts": [a._asdict() | {"daily_loss": a.state.daily_loss, "drawdown": a.state.drawdown} for a in accounts],
        },
    )


def account_lines(accounts: Sequence[LossStanding]) -> Iterator[str]:
    """Each account: what it is worth, and what it may still lose."""
    for a in accounts:
        yield f"account    {a.account_id}: equity {a.equity:,.2f} {a.currency}"
        yield "  day      " + _beside(a.day_equity, a.equity, a.max_daily_loss, "max_daily_loss", "since the trading day began")
        yield "  peak     " + _beside(a.peak_equity, a.equity, a.max_drawdown, "max_drawdown", "from its peak")


def _beside(reference: float, equity: float, most: float | None, name: str, since: str) -> str:
    seen = loss(reference, equity)
    moved = f"{percent(abs(seen))} {'gained' if seen < 0 else 'lost'} {since} ({reference:,.2f})"
    if most is None:
        return f"{moved}; no {name} is configured"
    floor = reference * (1 - most)
    left = f"halts below {floor:,.2f}, {equity - floor:,.2f} away" if seen <= most else f"passed at {floor:,.2f}"
    return f"{moved}; {name} {percent(most)}: {left}"


def rearmed_text(scope: str, done: Rearmed) -> str:
    """What was lifted, and what that means."""
    if not done.halts:
        return f"rearmed {scope}"
    lifted = "; ".join(_lifted(halt) for halt in done.halts)
    return f"rearmed {scope}: {lifted}. Entries pass again; losses count from the equity of this moment"


def _lifted(halt: HaltStanding) -> str:
    return f"{halt.limit} of {halt.account_id} ({percent(halt.seen)} lost, limit {percent(halt.most)})"
