"""Postgres from a service: one autocommit connection per task, one round trip per read or write."""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, LiteralString, NamedTuple

import psycopg
from psycopg import sql

from libs.common import metrics
from libs.common.crash_points import CrashPoint
from libs.common.logs import about
from libs.common.wire import Row, Wire

log = logging.getLogger(__name__)

RETRY_S: Final = 0.2
_PLAN_ONCE: Final = ("select set_config('plan_cache_mode', 'force_generic_plan', true)", ())  # until the end of the transaction


class Write(NamedTuple):
    """One statement of a transaction. Lists go as `%b` arrays: as text they cost seven times as much."""

    sql: LiteralString
    params: Sequence[object]


class Unreachable(Exception):
    """The connection failed. A write in progress may have been committed: look before doing it again."""


class Rejected(Exception):
    """The database refused the statement: a fault of the data or of the code, not of the connection."""

    def __init__(self, message: str, sqlstate: str | None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class StaleCursor(Rejected):
    """Somebody, perhaps our own lost answer, has moved the cursor; nothing was written. Read it again."""


class LeaseLost(Rejected):
    """Another holder has taken the lease; nothing was written. Stop acting."""


class Conflict(Rejected):
    """A row was no longer what the decision was made on; nothing was written. Read and decide again."""


_MEANING: Final[dict[str, type[Rejected]]] = {"TW001": StaleCursor, "TW002": LeaseLost, "TW004": Conflict}
_CONNECTION: Final = ("08", "57", "53")  # SQLSTATE classes: connection, operator intervention, resources


def translated(error: psycopg.Error) -> Exception:
    """A driver's error as one of ours."""
    state = error.sqlstate
    if state is None:  # said by the driver: either it lost the connection, or it refuses to send a value
        lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    else:
        lost = state[:2] in _CONNECTION
    if lost:
        return Unreachable(str(error).strip() or type(error).__name__)
    return _MEANING.get(state or "", Rejected)(f"{type(error).__name__}: {error}".strip(), state)


class Database:
    """One connection, made again when it breaks. For one task: calls do not overlap."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._connection: psycopg.AsyncConnection[Row] | None = None
        self._wire: Wire | None = None
        self._busy = asyncio.Lock()
        self._retired = False
        self.last_error: str | None = None

    async def connection(self) -> psycopg.AsyncConnection[Row]:
        """The open connection.

        Raises:
            Unreachable: it could not be made.
        """
        if self._retired:
            raise Unreachable("it is not used any more")
        if self._connection is None or self._connection.closed or self._connection.broken:
            try:
                self._connection = await psycopg.AsyncConnection.connect(
                    self._url,
                    autocommit=True,
                    connect_timeout=3,
                    application_name=self._name,
                    options="-c statement_timeout=10s -c timezone=UTC",
                )
            except psycopg.Error as error:
                self.last_error = str(error).strip()
                raise Unreachable(self.last_error) from error
            self._wire = Wire(self._connection)
            self.last_error = None
            if self._retired:  # meanwhile
                await self.close()
                raise Unreachable("it is not used any more")
        return self._connection

    async def fetch(
        self, query: LiteralString, params: Sequence[object] | Mapping[str, object] = (), *, plan_once: bool = False
    ) -> list[Row]:
        """All rows of one autocommit statement: one snapshot, one round trip.

        Args:
            plan_once: the plan does not depend on the values. Postgres would else plan a large statement anew at each call, where it
                takes the values for worth it.
        """
        rows = await self._exchange([_PLAN_ONCE, (query, params)] if plan_once else [(query, params)])
        return rows[-1]

    async def write(self, statements: Iterable[Write], within: CrashPoint | None = None) -> list[list[Row]]:
        """All statements in one transaction and one round trip; the rows each returned. Committed on return.

        A cancelled call lets the transaction end first: whether it was committed is then known to nobody but the
        database. On `Unreachable` it may have been committed.

        Args:
            within: the named moment at which it is sent and not answered.
        """
        return await asyncio.shield(asyncio.ensure_future(self._exchange(list(statements), within)))

    async def _exchange(
        self, statements: Sequence[tuple[LiteralString, Sequence[object] | Mapping[str, object]]], within: CrashPoint | None = None
    ) -> list[list[Row]]:
        async with self._busy:
            await self.connection()
            assert self._wire is not None
            try:
                return await self._wire.exchange(statements, within)
            except psycopg.Error as error:
                raise await self._failed(error) from error
            except BaseException:  # cancelled between question and answer: the next question would get this answer
                await self.close()
                raise

    async def _failed(self, error: psycopg.Error) -> Exception:
        ours = translated(error)
        if isinstance(ours, Unreachable):
            self.last_error = str(ours)
        if error.sqlstate is None or isinstance(ours, Unreachable):  # not the server's refusal: the exchange is cut short
            await self.close()
        return ours

    async def close(self) -> None:
        """Lets the connection go; the next call makes another."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = self._wire = None

    async def retire(self) -> None:
        """Lets the connection go for good: a write that outlives who asked for it makes no other."""
        self._retired = True
        await self.close()


class CopyWriter:
    """Rows into one table by binary COPY, in batches, by one task. Rows wait in memory while the database is away."""

    ROWS: Final = 1000
    LINGER_S: Final = 0.1

    def __init__(self, database: Database, table: str, columns: Sequence[str], types: Sequence[str], capacity: int = 300_000) -> None:
        self._database = database
        self._table = table
        self._types = types
        self._statement = sql.SQL("copy {} ({}) from stdin (format binary)").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        self._rows: list[Row] = []
        self._capacity = capacity
        self._enough = asyncio.Event()
        self.written = 0
        self.dropped = 0

    def add(self, rows: Sequence[Row]) -> None:
        """Takes rows to be written; beyond the capacity they are dropped and counted, so that a dead database stops no feed."""
        room = self._capacity - len(self._rows)
        if room < len(rows):
            if not self.dropped:
                told = about("rows_dropped", "failure", table=self._table)
                log.error("%d rows wait for the database; what comes now is dropped until there is room", len(self._rows), extra=told)
            self.dropped += len(rows) - room
            metrics.ROWS_DROPPED.labels(table=self._table).inc(len(rows) - room)
            rows = rows[:room]
        self._rows.extend(rows)
        if len(self._rows) >= self.ROWS:
            self._enough.set()

    @property
    def waiting(self) -> int:
        """Rows not written yet."""
        return len(self._rows)

    async def run(self) -> None:
        """Writes until cancelled; then what is left has to be flushed by `flush`."""
        while True:
            try:
                async with asyncio.timeout(self.LINGER_S):
                    await self._enough.wait()
            except TimeoutError:
                pass
            self._enough.clear()
            try:
                await self.flush()
            except Unreachable as error:
                log.warning("%d market rows wait for the database: %s", len(self._rows), error, extra=about("database_lost", "failure"))
                await asyncio.sleep(RETRY_S)

    async def flush(self) -> None:
        """Writes all that waits. Rows of a batch whose commit was not answered are written again: at least once.

        Raises:
            Unreachable: they still wait.
            Rejected: the table cannot take them.
        """
        while self._rows:
            batch = self._rows[: 20 * self.ROWS]
            connection = await self._database.connection()
            try:
                async with connection.cursor() as cursor, cursor.copy(self._statement) as copy:
                    copy.set_types(self._types)
                    for row in batch:
                        await copy.write_row(row)
            except psycopg.Error as error:
                await self._database.close()
                raise translated(error) from error
            except BaseException:  # cancelled within the copy: nothing else can be asked on that connection
                await self._database.close()
                raise
            del self._rows[: len(batch)]
            self.written += len(batch)
            metrics.ROWS_STORED.labels(table=self._table).inc(len(batch))
