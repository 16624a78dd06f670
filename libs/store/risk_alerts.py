"""What a person has to acknowledge, as rows: raised in the transaction of what brought it about, told, and acted on when nobody answers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, LiteralString, NamedTuple
from uuid import UUID

from libs.common.database import Database, Write
from libs.domain.kill import Mode
from libs.domain.messages import RiskAlert


class RiskAlertStanding(NamedTuple):
    """One of them, as it stands."""

    id: UUID
    account_id: str
    code: str
    strategy_id: str
    symbol: str
    message: str  # of the last time
    times: int
    at: datetime
    last_at: datetime
    deadline: datetime
    left_s: float  # until the deadline, by the database's clock
    told_at: datetime | None
    tripped_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str
    reason: str

    @property
    def book(self) -> str:
        """What it is about: its account, with strategy and symbol where there are any."""
        return " ".join(filter(None, (self.account_id, self.strategy_id, self.symbol)))

    @property
    def fault(self) -> str:
        """What fires until it is acknowledged."""
        return f"risk_alert:{self.id}"


_COLUMNS: Final[LiteralString] = (
    "select id, account_id, code, strategy_id, symbol, message, times, at, last_at, deadline,"
    " extract(epoch from deadline - clock_timestamp())::float8, told_at, tripped_at, acknowledged_at,"
    " acknowledged_by, reason from risk_alerts"
)


def raised(alerts: Sequence[RiskAlert], within_s: float) -> list[Write]:
    """The same of the same book is one, as long as nobody has acknowledged it; its deadline is that of the first time."""
    last = {(alert.account_id, alert.code, alert.strategy_id, alert.symbol): alert for alert in alerts}
    times = [sum(1 for a in alerts if (a.account_id, a.code, a.strategy_id, a.symbol) == key) for key in last]
    return [
        Write("select risk_alert_raise(%s, %s, %s, %s, %s, %s, %s)", (*key, alert.message, count, within_s))
        for (key, alert), count in zip(last.items(), times, strict=True)
    ]


def told(ids: Sequence[UUID]) -> Write:
    """A person has been notified of these."""
    return Write("update risk_alerts set told_at = clock_timestamp() where id = any(%b::uuid[])", (list(ids),))


def trip(id_: UUID, mode: Mode, reason: str, by: str) -> Write:
    """Stops its account. Conflict when it was acknowledged meanwhile."""
    return Write("select risk_alert_trip(%s, %s, %s, %s)", (id_, mode, reason, by))


def acknowledge(id_: UUID, reason: str, by: str) -> Write:
    """Somebody has seen it. Conflict when somebody else was faster."""
    return Write("select risk_alert_acknowledge(%s, %s, %s)", (id_, reason, by))


async def unacknowledged(database: Database, account_id: str | None = None) -> list[RiskAlertStanding]:
    """The oldest first; None: of every account."""
    rows = await database.fetch(
        _COLUMNS + " where acknowledged_at is null and (%s::text is null or account_id = %s) order by at, id", (account_id, account_id)
    )
    return [RiskAlertStanding(*row) for row in rows]


async def newest(database: Database, limit: int) -> list[RiskAlertStanding]:
    """The newest, acknowledged or not, the newest last."""
    rows = await database.fetch(_COLUMNS + " order by at desc, id desc limit %s", (limit,))
    return [RiskAlertStanding(*row) for row in reversed(rows)]


async def found(database: Database, beginning: str) -> RiskAlertStanding:
    """The unacknowledged one whose id begins so.

    Raises:
        LookupError: there is none, or several.
    """
    open_ = await unacknowledged(database)
    hits = [alert for alert in open_ if beginning and str(alert.id).startswith(beginning.lower())]
    if len(hits) == 1:
        return hits[0]
    there = ", ".join(str(alert.id)[:8] for alert in hits or open_) or "none"
    raise LookupError(f"{'several alerts begin' if hits else 'no alert that waits to be acknowledged begins'} with {beginning!r}: {there}")
