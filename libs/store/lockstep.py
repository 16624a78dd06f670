"""Lockstep in the record: who has dealt with which step, and whether anything is still under way (semantics 6)."""

from collections.abc import Mapping, Sequence
from typing import Final, LiteralString

from libs.common.database import Database, Write
from libs.domain.market import Phase
from libs.store.sessions import Account

STRATEGIES: Final = "strategy_engine"

_ACK: LiteralString = (
    "insert into clock_acks (session_id, consumer, phase, step) values (%s, %s, %s, %s)"
    " on conflict (session_id, consumer, phase) do update set step = greatest(clock_acks.step, excluded.step)"
)


def acknowledge(session_id: str, consumer: str, phase: str, step: int) -> Write:
    """The consumer has dealt with the phase of a step; goes into the transaction of its effects."""
    return Write(_ACK, (session_id, consumer, phase, step))


def wanted(accounts: Sequence[Account]) -> Mapping[Phase, frozenset[str]]:
    """Who has to acknowledge each phase of a step, in the order of the phases."""
    return {
        "venue": frozenset(f"executor:{account.account_id}" for account in accounts),
        "decide": frozenset({STRATEGIES, *(f"risk:{account.account_id}" for account in accounts)}),
    }


async def is_played(database: Database, session_id: str) -> bool:
    """Whether somebody plays the session now: one that was stopped stays `running` in its row, but nobody holds its leases."""
    rows = await database.fetch(
        "select exists (select from leases l join accounts a on l.name = 'executor:' || a.account_id join sessions s using (session_id)"
        " where s.session_id = %s and s.state = 'running' and not l.released and l.expires_at > clock_timestamp())",
        (session_id,),
    )
    return bool(rows[0][0])


async def acknowledged(database: Database, session_id: str, phase: str) -> Mapping[str, int]:
    """The last step each consumer has dealt with."""
    rows = await database.fetch("select consumer, step from clock_acks where session_id = %s and phase = %s", (session_id, phase))
    return dict(rows)


async def missing(database: Database, session_id: str, phase: Phase, wanted: frozenset[str], step: int) -> list[str]:
    """Who has not dealt with the phase of a step, or that something of it is still under way."""
    steps = await acknowledged(database, session_id, phase)
    late = sorted(name for name in wanted if steps.get(name, 0) < step)
    return late if late or await at_rest(database, session_id) else ["orders under way"]


async def at_rest(database: Database, session_id: str) -> bool:
    """Whether every order-path cursor is at its stream's end and no order, cancel or signal is on its way.

    A signal that waits for its book's open orders to end at the venue is at rest: a later step ends them.
    """
    rows = await database.fetch(
        "select not exists (select from accounts a join cursors c on c.consumer in ('risk:' || a.account_id, 'executor:' || a.account_id)"
        " join journal_counters j on j.stream = c.stream where a.session_id = %s and c.no < j.last_no)"
        " and not exists (select from orders where session_id = %s and status in ('APPROVED', 'SUBMITTING', 'PENDING_CANCEL'))"
        " and not exists (select from risk_assessments r where r.session_id = %s and r.verdict = 'WAITING' and not exists"
        " (select from orders o where o.account_id = r.account_id and o.strategy_id = r.strategy_id and o.symbol = r.symbol"
        " and o.status in ('UNKNOWN', 'ACKED', 'PARTIAL', 'CANCEL_UNKNOWN', 'REPLACE_UNKNOWN', 'WORKING')))",
        (session_id, session_id, session_id),
    )
    return bool(rows[0][0])
