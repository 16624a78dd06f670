"""What is older than it has to be kept goes: whole months of quotes, and rows of the tables that grow."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Final

import msgspec

from libs.domain.jobs import Kept
from libs.domain.times import SECOND
from libs.quant.calendars import DAY
from libs.store import retention
from libs.store.retention import Played
from services.scheduler.duty import Done, Duty

AHEAD: Final = 62 * DAY
"""Partitions are made so far ahead of what they are for."""
PAUSE_S: Final = 0.02
"""Between two batches: trading goes first."""

Stretch = tuple[int, int]
"""From, to: UTC nanoseconds."""


async def run(duty: Duty, kept: Kept) -> Done:
    """Deletes, and says how much of each."""
    days = msgspec.structs.asdict(kept)
    deleted = {table: await _emptied(duty, table, days[table]) for table in retention.TABLES}
    said = [f"{table} {count:,}" for table, count in deleted.items() if count]
    months = await retention.quote_months(duty.database)
    windows = windows_of(await retention.played(duty.database), duty.clock.now_ns(), kept.market_quotes)
    old = droppable(months, windows)
    dropped = await retention.drop_quotes(duty.database, old)
    if dropped:
        said.insert(0, f"market_quotes {len(dropped)} months ({', '.join(f'{month:%Y-%m}' for month in dropped)})")
    detail = f"deleted: {', '.join(said)}" if said else "nothing is older than it has to be kept"
    if len(dropped) < len(old):
        detail += f"; {len(old) - len(dropped)} months of quotes are being read, and stay until the next time"
    if holding := await retention.held_back_by(duty.database, kept.journal):
        detail += f"; older messages wait for {', '.join(holding)}"
    return Done(detail)


async def _emptied(duty: Duty, table: str, days: int) -> int:
    total = 0
    while count := await retention.delete_batch(duty.database, table, days):
        total += count
        await asyncio.sleep(PAUSE_S)
    return total


def windows_of(played: Sequence[Played], now: int, days: int) -> list[Stretch]:
    """The stretches of market time whose quotes are kept: so many days back from where each session has come.

    A session that nobody has played for as long keeps nothing, unless it is the one that runs. Host time counts too: live,
    the market's time is the host's.
    """
    back = days * DAY
    sessions = [(s.market_time - back, max(s.market_time, s.horizon) + AHEAD) for s in played if s.running or s.days_ago <= days]
    return [*sessions, (now - back, now + AHEAD)]


def droppable(months: Sequence[date], windows: Sequence[Stretch]) -> list[date]:
    """The months that no window reaches into."""
    return [month for month in months if not any(_begins(month) < to and since < _begins(_next(month)) for since, to in windows)]


def _begins(month: date) -> int:
    return int(datetime(month.year, month.month, 1, tzinfo=UTC).timestamp()) * SECOND


def _next(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)
