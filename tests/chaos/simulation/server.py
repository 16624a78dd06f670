"""The way to the record: real `Database` objects on a wire that can be slow, cut, or cut just after the commit."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, LiteralString, cast

import psycopg

from libs.common.database import Database
from libs.common.wire import Row, Wire
from tests.chaos.simulation.loop import Dead, Process, VirtualLoop
from tests.chaos.simulation.record import Record
from tests.chaos.simulation.story import Story

Statement = tuple[LiteralString, Sequence[object] | Mapping[str, object]]


class Line:
    """How the network to the server is. Everything is drawn from it, so that a seed decides."""

    def __init__(self, loop: VirtualLoop, record: Record, random: Any, story: Story) -> None:
        self.loop = loop
        self.record = record
        self.random = random
        self.story = story
        self.away_until = 0.0
        self.hangs = False  # while away: no answer at all, instead of a refused connection
        self.lost_before = 0.0  # how often a transaction is cut off before it is committed
        self.lost_after = 0.0  # and just after
        self.slow_s = 0.002
        self.applied: Callable[[Process], None] = lambda process: None  # a transaction of the process is committed

    def heal(self) -> None:
        """From now on it works."""
        self.away_until = 0.0
        self.lost_before = self.lost_after = 0.0


class VirtualDatabase(Database):
    """A connection of a process to the record in memory. Only what lies below `Wire` is not the real thing."""

    def __init__(self, line: Line, process: Process, name: str) -> None:
        super().__init__("", name)
        self._line = line
        self._process = process

    async def connection(self) -> psycopg.AsyncConnection[Row]:
        if self._wire is None:
            self._connection = cast("psycopg.AsyncConnection[Row]", self)
            self._wire = cast(Wire, self)
        return cast("psycopg.AsyncConnection[Row]", self)

    async def close(self) -> None:
        self._connection = self._wire = None

    async def exchange(self, statements: Sequence[Statement], within: object = None) -> list[list[Row]]:
        """As `Wire.exchange`."""
        if not self._process.alive:
            raise Dead
        line = self._line
        loop, random = line.loop, line.random
        answer: asyncio.Future[list[list[Row]]] = loop.create_future()
        if loop.now < line.away_until:
            wait_s = 15.0 if line.hangs else random.random() * 0.01
            wait_s = min(wait_s, line.away_until - loop.now + 0.2) if line.hangs else wait_s
            loop.later(wait_s, _fail, answer)
            return await answer
        writes = len(statements) > 1 or not statements[0][0].startswith(("select", "with"))
        fate = random.random() if writes or line.lost_before else 1.0
        loop.later(random.random() * line.slow_s, self._arrive, statements, answer, writes, fate)
        return await answer

    def _arrive(self, statements: Sequence[Statement], answer: "asyncio.Future[list[list[Row]]]", writes: bool, fate: float) -> None:
        """The server has the whole of it. The world's doing: it happens also when who asked is dead by now."""
        line = self._line
        if fate < line.lost_before or (writes and not self._process.alive and line.random.random() < 0.5):
            line.story.tell("cut before the commit", self._process.name, self._name)
            _fail(answer)
            return
        try:
            rows = line.record.execute(statements)
        except psycopg.Error as error:
            if not answer.done():
                answer.set_exception(error)
            return
        if len(statements) > 1:
            line.applied(self._process)
        if writes and fate < line.lost_before + line.lost_after:
            line.story.tell("cut after the commit", self._process.name, self._name)
            _fail(answer)
        elif not answer.done():
            answer.set_result(rows)


def _fail(answer: "asyncio.Future[list[list[Row]]]") -> None:
    if not answer.done():
        answer.set_exception(psycopg.OperationalError("server closed the connection unexpectedly"))
