"""Days of accounts by the venue's statement: asked for by scheduler, read and compared by risk_manager, shown to everybody."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final, LiteralString, NamedTuple

from libs.common.database import Database, Write
from libs.domain.reconciling import Amounts
from libs.domain.statements import Day, Line, Word
from libs.store.auditing import AT_THE_VENUE


class Asked(NamedTuple):
    """A day that nobody has compared yet. Times are market ns."""

    day: date
    start: int
    end: int

    @property
    def span(self) -> Day:
        """From when to when."""
        return Day(self.start, self.end)


class Compared(NamedTuple):
    """A day and what became of it."""

    account_id: str
    day: date
    state: str  # asked, clean, broken
    fills: int
    breaks: int
    detail: str
    read_at: datetime | None  # host time


def ask(account_id: str, day: date, start: int, end: int, *, again: bool) -> Write:
    """Wants a day compared; one that has been is asked for once more only where `again`. Returns its date when it was news."""
    return Write(
        "insert into day_statements as s (account_id, day, starts_at, ends_at) values (%s, %s, at_ns(%s), at_ns(%s))"
        " on conflict (account_id, day) do update set starts_at = excluded.starts_at, ends_at = excluded.ends_at, state = 'asked',"
        " asked_at = clock_timestamp() where %s or s.state = 'asked' returning day",
        (account_id, day, start, end, again),
    )


def answered(account_id: str, day: date, *, clean: bool, fills: int, breaks: int, detail: str) -> Write:
    """How a day has come out."""
    return Write(
        "update day_statements set state = %s, fills = %s, breaks = %s, detail = %s, read_at = clock_timestamp()"
        " where account_id = %s and day = %s and state = 'asked'",
        ("clean" if clean else "broken", fills, breaks, detail, account_id, day),
    )


def unread(account_id: str, day: date, detail: str) -> Write:
    """Why a day could not be compared; it stays asked for."""
    return Write("update day_statements set detail = %s where account_id = %s and day = %s and state = 'asked'", (detail, account_id, day))


async def asked(database: Database, account_id: str) -> list[Asked]:
    """What waits of an account, oldest first."""
    rows = await database.fetch(
        "select day, ns_of(starts_at), ns_of(ends_at) from day_statements where account_id = %s and state = 'asked' order by day",
        (account_id,),
    )
    return [Asked(*row) for row in rows]


async def of_days(database: Database, wanted: Collection[tuple[str, date]]) -> list[Compared]:
    """How these days of these accounts stand."""
    accounts, days = [account for account, _ in wanted], [day for _, day in wanted]
    rows = await database.fetch(
        "select s.account_id, s.day, s.state, s.fills, s.breaks, s.detail, s.read_at from day_statements s"
        " join unnest(%b::text[], %b::date[]) w(account_id, day) using (account_id, day) order by 1, 2",
        (accounts, days),
    )
    return [Compared(*row) for row in rows]


async def ours(database: Database, account_id: str, day: Day, overlap_ns: int, keys: Sequence[str]) -> Word:
    """The record's word: fills of the day and somewhat beyond, and those of `keys`; open orders; cash and positions of the ledger."""
    fills = await database.fetch(
        "select exec_key, o.client_order_id, t.symbol, t.side, t.quantity, executed_price, commission, fee_currency, ns_of(executed_at)"
        " from trades t join orders o on o.id = t.order_id where t.account_id = %s and (executed_at >= at_ns(%s)"
        " and executed_at < at_ns(%s) or exec_key = any(%b::text[])) order by executed_at, exec_key",
        (account_id, day.start - overlap_ns, day.end + overlap_ns, list(keys)),
    )
    open_ = await database.fetch("select client_order_id from orders where account_id = %s and status in " + AT_THE_VENUE, (account_id,))
    held = await database.fetch(
        "select ledger_account, commodity, sum(amount) from cash_ledger where account_id = %s and ledger_account in ('cash', 'position')"
        " group by 1, 2 having sum(amount) <> 0",
        (account_id,),
    )
    cash, positions = ({what: amount for kind, what, amount in held if kind == side} for side in ("cash", "position"))
    return Word([Line(*row) for row in fills], {row[0] for row in open_}, Amounts(cash, positions))


async def accepted(database: Database, account_id: str) -> Amounts:
    """What a person has said may differ: how much more the venue has, of cash and of positions."""
    rows = await database.fetch(
        "select kind, key, sum(theirs::numeric - ours::numeric) from reconcile_items where account_id = %s and kind in ('cash', 'position')"
        " and decision = 'ignore' and resolved_at is null group by 1, 2",
        (account_id,),
    )
    cash, positions = ({key: amount for kind, key, amount in rows if kind == side} for side in ("cash", "position"))
    return Amounts(cash, positions)


async def ended(database: Database, account_id: str, client_order_ids: Collection[str]) -> set[str]:
    """Which of these orders the record has, and has ended."""
    rows = await database.fetch(
        "select client_order_id from orders where account_id = %s and client_order_id = any(%b::text[]) and status in"
        " ('FILLED', 'CANCELED', 'REJECTED', 'EXPIRED', 'NOT_ACCEPTED', 'DENIED')",
        (account_id, list(client_order_ids)),
    )
    return {row[0] for row in rows}


async def off(database: Database, account_id: str) -> dict[str, Decimal]:
    """What all entries of an account sum to, by commodity, where that is not zero."""
    rows = await database.fetch(
        "select commodity, sum(amount) from cash_ledger where account_id = %s group by 1 having sum(amount) <> 0", (account_id,)
    )
    return dict(rows)


async def aside(database: Database, account_id: str) -> set[str]:
    """Keys of fills that were put aside: each has its own item, and is none of these."""
    rows = await database.fetch("select exec_key from fill_quarantine where account_id = %s", (account_id,))
    return {row[0] for row in rows}


LAST_CLEAN: Final[LiteralString] = (
    "(select jsonb_object_agg(a.account_id, jsonb_build_array((select max(day) from day_statements s where s.account_id = a.account_id"
    " and s.state = 'clean'), (select count(*) from day_statements s where s.account_id = a.account_id and s.state = 'broken' and s.day >"
    " coalesce((select max(day) from day_statements c where c.account_id = a.account_id and c.state = 'clean'), '-infinity')))) from a)"
)
"""By account of `a` in a statement that knows it: the last day that was clean, or null, and how many since were not."""


async def last_clean(database: Database, session_id: str) -> dict[str, tuple[str | None, int]]:
    """By account of a session: the last day that was clean (ISO), and how many since were not."""
    rows = await database.fetch("with a as (select account_id from accounts where session_id = %s) select " + LAST_CLEAN, (session_id,))
    return {account: (day, broken) for account, (day, broken) in (rows[0][0] or {}).items()}
