"""Limits on record: the first of them, every change, what holds now, and by which of them an account was judged when."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, LiteralString
from uuid import UUID

from libs.common.clocks import HostClock
from libs.common.database import Database, Unreachable, Write
from libs.common.logs import about
from libs.domain.configuration import LimitConfig
from libs.domain.limits import Change, LimitRow, Standing, amount, differences, first, standing, titled

log = logging.getLogger(__name__)

NEWEST: Final[LiteralString] = "(select coalesce(max(version), 0) from risk_limits)"
"""For a snapshot: the newest version on record."""

_ROW: LiteralString = "version, scope, key, name, unit, value, reason, by, ns_of(at), ns_of(effective_at), held"
_STANDING: LiteralString = (
    "with newest as (select distinct on (scope, key, name, unit) * from risk_limits order by scope, key, name, unit, version desc),"
    " counts as (select * from newest union select h.* from newest n join risk_limits h on h.version = n.held)"
    " select ns_of(clock_timestamp()), " + _ROW + " from counts"
)
LOOSER: Final[LiteralString] = (
    "(select jsonb_agg(jsonb_build_array(version, scope, key, name, unit, value, by, reason, to_char(effective_at at time zone 'UTC',"
    " 'YYYY-MM-DD HH24:MI:SS')) order by version) from (select distinct on (scope, key, name, unit) * from risk_limits"
    " order by scope, key, name, unit, version desc) newest where effective_at > clock_timestamp())"
)
"""For a snapshot: what waits to hold."""

FILE: Final = "config/risk.toml"


async def begin(database: Database, configured: Sequence[LimitConfig], by: str) -> bool:
    """Gives a record that has no limits those of the file; whether it did."""
    limits = first(configured)
    columns = [[identity[n] for identity in limits] for n in range(4)]
    rows = await database.fetch(
        "select risk_limits_begin(%b::text[], %b::text[], %b::text[], %b::text[], %b::float8[], %s, %s)",
        (*columns, [float(value) for value in limits.values()], f"a new record begins with {FILE}", by),
    )
    return bool(rows[0][0])


async def begun(database: Database, configured: Sequence[LimitConfig], by: str, stopping: asyncio.Event) -> bool:
    """Waits for the database, and begins; says where the file is not what the record holds. False when asked to stop first."""
    while not stopping.is_set():
        try:
            if await begin(database, configured, by):
                log.info("the record begins with the limits of %s", FILE, extra=about("limits_begun", "success"))
            elif differ := differences(configured, await now(database)):
                what = "; ".join(f"{titled(change)} {amount(change.value, change.unit)}" for change in differ)
                told = about("limits_differ", "unknown")
                log.warning("the record's limits hold; %s says otherwise: %s (see `fleet risk limits`)", FILE, what, extra=told)
            return True
        except Unreachable as error:
            log.warning("limits wait for the database: %s", error, extra=about("database_lost", "failure"))
        try:
            await asyncio.wait_for(stopping.wait(), 0.2)
        except TimeoutError:
            continue
    return False


async def now(database: Database) -> Standing:
    """What holds, and what waits."""
    return (await _read(database))[0]


async def _read(database: Database) -> tuple[Standing, int]:
    """What holds, and the ns until something that waits will."""
    rows = await database.fetch(_STANDING)
    at = rows[0][0] if rows else 0
    found = standing([LimitRow(*row[1:]) for row in rows], at)
    return found, min((row.effective_at - at for row in found.pending), default=0)


async def history(database: Database) -> list[LimitRow]:
    """Every change there ever was, the first first."""
    return [LimitRow(*row) for row in await database.fetch("select " + _ROW + " from risk_limits order by version")]


async def asked_by(database: Database, command: UUID) -> list[LimitRow]:
    """The changes that came of one command."""
    rows = await database.fetch("select " + _ROW + " from risk_limits where command_id = %s order by version", (command,))
    return [LimitRow(*row) for row in rows]


def change(changes: Sequence[Change], reason: str, by: str, cool_off_s: float, command: UUID) -> Write:
    """All of them or none. Raises TW005 when one can be no limit, TW004 when one has been made meanwhile."""
    columns = [[getattr(change, name) for change in changes] for name in ("scope", "key", "name", "unit", "value")]
    return Write(
        "select risk_limits_change(%b::text[], %b::text[], %b::text[], %b::text[], %s::float8[], %s, %s, %s, %s)",
        (*columns, reason, by, cool_off_s, command),
    )


class LimitsInForce:
    """The limits of the record as one task follows them. They are read again when a version is new, or when one that waited is due."""

    def __init__(self, database: Database, host: HostClock) -> None:
        """`database`: the connection of whoever decides, which asks nothing else meanwhile."""
        self._database = database
        self._host = host
        self._newest: int | None = None  # as it was read last
        self._due = float("inf")  # host monotonic, when what waits may hold
        self.standing = Standing()

    async def follow(self, newest: int) -> bool:
        """Takes over what is new; whether other limits hold than before.

        Args:
            newest: the newest version on record, by the snapshot that is decided on. It may be behind what is read here.
        """
        if newest == self._newest and self._host.monotonic() < self._due:
            return False
        found, wait_ns = await _read(self._database) if newest else (Standing(), 0)
        self._due = self._host.monotonic() + max(wait_ns / 1e9, 0.001) if found.pending else float("inf")
        first, self._newest = self._newest is None, found.newest
        changed = first or found.versions != self.standing.versions
        self.standing = found
        return changed

    @property
    def limits(self) -> list[LimitConfig]:
        """As last followed."""
        return [row.limit for row in self.standing.holding]


# --- which held when

Used = tuple[int, list[int]]
"""(market ns from which an account was judged by them, their versions)."""


async def used(database: Database, account_id: str) -> list[Used]:
    """By which limits an account was judged when, in order."""
    rows = await database.fetch("select since, versions from risk_limits_used where account_id = %s order by n", (account_id,))
    return [(since, list(versions)) for since, versions in rows]


def store_used(account_id: str, n: int, since: int, versions: Sequence[int]) -> Write:
    """The `n`th time, from 1 on, that an account comes to be judged by other limits. Said again it changes nothing."""
    return Write(
        "insert into risk_limits_used (account_id, n, since, versions) values (%s, %s, %s, %b::int8[]) on conflict do nothing",
        (account_id, n, since, list(versions)),
    )
