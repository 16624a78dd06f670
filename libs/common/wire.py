"""Statements to Postgres in one exchange: everything sent at once, one sync, everything read back.

psycopg's own asynchronous pipeline waits on the socket several times per exchange, which costs more than the server
does (measured: insert and append after a pause 2.3 ms that way, 1.0 ms this way). Connecting, parameters, results and
errors stay psycopg's; only the waiting is ours. See docs/adr/0008-one-wait-per-exchange.md.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, LiteralString

import psycopg
from psycopg import errors
from psycopg._queries import PostgresQuery  # pinned: the one place where %s becomes $1 and values become bytes
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus, Format
from psycopg.pq.abc import PGresult

from libs.common.crash_points import CrashPoint, reached

Row = tuple[Any, ...]
Params = Sequence[object] | Mapping[str, object]

TIMEOUT_S: Final = 15.0  # the server gives a statement 10
LOOK_S: Final = 0.1
MOST_PREPARED: Final = 500


class Wire:
    """One connection's exchanges. Calls must not overlap; after any exception but a server's refusal it must be closed."""

    def __init__(self, connection: psycopg.AsyncConnection[Row]) -> None:
        self._connection = connection
        self._libpq = connection.pgconn
        self._prepared: dict[tuple[bytes, tuple[int, ...]], bytes] = {}
        self._names = 0

    async def exchange(self, statements: Sequence[tuple[LiteralString, Params]], within: CrashPoint | None = None) -> list[list[Row]]:
        """Runs the statements in one transaction; the rows of each. Committed on return.

        Raises:
            psycopg.Error: the server refused one (nothing was written), or the connection failed (it may have been).
        """
        new: dict[tuple[bytes, tuple[int, ...]], bytes] = {}
        self._libpq.enter_pipeline_mode()
        for query, params in statements:
            self._send(query, params, new)
        self._libpq.pipeline_sync()
        if within is not None:
            reached(within)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                results = await self._results()
        except TimeoutError:
            raise psycopg.OperationalError(f"no answer from the database within {TIMEOUT_S:g} s") from None
        self._libpq.exit_pipeline_mode()
        refused = next((r for r in results if r.status == ExecStatus.FATAL_ERROR), None)
        if refused is not None:
            raise errors.error_from_result(refused, encoding="utf-8")
        self._prepared |= new
        return [self._rows(r) for r in results if r.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK) and not _is_prepare(r)]

    def _send(self, query: LiteralString, params: Params, new: dict[tuple[bytes, tuple[int, ...]], bytes]) -> None:
        converted = PostgresQuery(Transformer(self._connection))
        converted.convert(query, params)
        key = (converted.query, converted.types)
        name = self._prepared.get(key) or new.get(key)
        if name is None:
            self._names += 1
            name = b"tw%d" % self._names if len(self._prepared) < MOST_PREPARED else b""
            self._libpq.send_prepare(name, converted.query, param_types=converted.types)
            if name:
                new[key] = name
        self._libpq.send_query_prepared(name, converted.params, param_formats=converted.formats, result_format=Format.BINARY)

    async def _results(self) -> list[PGresult]:
        loop = asyncio.get_running_loop()
        socket = self._libpq.socket
        moved = asyncio.Event()
        loop.add_reader(socket, moved.set)
        try:
            while self._libpq.flush():  # a batch larger than the socket's buffer: read on, or both sides would wait
                loop.add_writer(socket, moved.set)
                await _wait(moved)
                loop.remove_writer(socket)
                self._libpq.consume_input()
            results: list[PGresult] = []
            while not self._synced(results):
                await _wait(moved)
                self._libpq.consume_input()
            return results
        finally:
            loop.remove_reader(socket)
            loop.remove_writer(socket)

    def _synced(self, results: list[PGresult]) -> bool:
        """Takes what has arrived; whether that is all."""
        ended = 0
        while not self._libpq.is_busy():
            result = self._libpq.get_result()
            if result is None:  # between the results of two statements
                ended += 1
                if ended > 1:
                    break
                continue
            ended = 0
            if result.status == ExecStatus.PIPELINE_SYNC:
                return True
            if result.error_field(DiagnosticField.SEVERITY_NONLOCALIZED) in (b"FATAL", b"PANIC"):
                raise errors.error_from_result(result, encoding="utf-8")  # the server's last word: no sync will come
            results.append(result)
        if self._libpq.status != ConnStatus.OK:  # then no sync will come
            raise psycopg.OperationalError(self._libpq.get_error_message() or "the connection is gone")
        return False

    def _rows(self, result: PGresult) -> list[Row]:
        if not result.nfields:
            return [()] * result.ntuples
        loading = Transformer(self._connection)
        loading.set_pgresult(result)
        return loading.load_rows(0, result.ntuples, tuple)


async def _wait(moved: asyncio.Event) -> None:
    """Until the socket has moved; now and then regardless: uvloop tells nobody of a socket that has failed."""
    look = asyncio.get_running_loop().call_later(LOOK_S, moved.set)
    await moved.wait()
    look.cancel()
    moved.clear()


def _is_prepare(result: PGresult) -> bool:
    """The answer to a prepare looks like a command's, without its tag."""
    return result.status == ExecStatus.COMMAND_OK and not result.command_status
