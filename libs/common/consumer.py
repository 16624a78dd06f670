"""The loop around a stage of the order path: take all that is queued, one hop, again. Bells only wake it."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from libs.common import metrics
from libs.common.crash_points import reached
from libs.common.database import Conflict, LeaseLost, StaleCursor, Unreachable, Write
from libs.common.journal import BATCH, Cursor, Entry, Hop, Journal, Move, owned
from libs.common.logs import about

log = logging.getLogger(__name__)


class Bell:
    """Wakes one waiter. Rung by messages, reconnects and results alike: it says "look", never what."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wake the waiter, or let its next wait return at once."""
        self._event.set()

    async def wait(self, timeout_s: float) -> None:
        """Until rung, or until that long without a bell."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            pass
        self._event.clear()


class Stage(Protocol):
    """What a service does with its streams."""

    @property
    def streams(self) -> tuple[str, ...]:
        """What it reads; the first is the one whose messages can be put aside."""
        ...

    @property
    def again(self) -> bool:
        """Whether the last hop may have left something to do that nobody rings for."""
        ...

    async def hop(self, cursors: Mapping[str, Cursor], limit: int) -> Hop | None:
        """Reads what lies beyond the cursors (at most `limit` of the first stream) and decides. None: nothing to do."""
        ...

    async def committed(self, hop: Hop) -> None:
        """The hop is durable and its bells have rung."""
        ...

    def put_aside(self, entry: Entry, error: str) -> Hop:
        """What a message that fails three times leaves behind: rows and messages, no cursor."""
        ...


class Consumer:
    """One stage, its cursors and its bell."""

    SILENCE_S: Final = 0.5
    TRIES: Final = 3

    def __init__(self, journal: Journal, name: str, stage: Stage, bell: Bell, epoch: Callable[[], int]) -> None:
        self._journal = journal
        self._name = name
        self._stage = stage
        self._bell = bell
        self._epoch = epoch  # of the lease held; 1 where there is no lease
        self._cursors: Mapping[str, Cursor] | None = None
        self._limit = self._taking = BATCH
        self._again = True  # whether to look without a bell
        self._failures = 0

    async def run(self, stopping: asyncio.Event) -> None:
        """Until asked to stop; a hop in progress is ended first. Raises as `step`."""
        while not stopping.is_set():
            await self.step()

    async def drain(self) -> None:
        """Hops until there is nothing left to do."""
        while await self.step(wait=False):
            pass

    async def step(self, *, wait: bool = True) -> bool:
        """One hop, once there may be something to do; False when there was nothing.

        Raises:
            LeaseLost: another holder acts now.
            LookupError: messages after a cursor are gone.
        """
        try:
            return await self._hop(wait)
        except (StaleCursor, Conflict) as error:
            metrics.JOURNAL_STALE.labels(consumer=self._name).inc()
            log.info("%s decides again: %s", self._name, error)
            self._cursors = None
        except Unreachable as error:
            log.warning("%s waits for the database: %s", self._name, error, extra=about("database_lost", "failure", consumer=self._name))
            self._cursors = None
            await asyncio.sleep(0.2)
        return True

    async def _hop(self, wait: bool) -> bool:
        if wait and not self._again:
            await self._bell.wait(self.SILENCE_S)
            reached("CP04")
        self._again = True
        if self._cursors is None:
            self._cursors = owned(await self._journal.cursors(self._name, self._stage.streams), self._epoch(), self._name)
        try:
            self._taking = self._limit
            hop = await self._stage.hop(self._cursors, self._taking)
            if hop is not None:
                await self._journal.commit(hop)
        except (StaleCursor, Conflict, LeaseLost, Unreachable):
            raise
        except Exception as error:
            await self._failed(error)
            return True
        if hop is None:
            self._again = False
            return False
        ends = {move.stream: move.end for move in hop.moves if move.consumer == self._name}
        self._cursors = {stream: c._replace(no=ends.get(stream, c.no)) for stream, c in self._cursors.items()}
        self._failures = 0
        self._limit = min(BATCH, self._limit * 2)
        await self._stage.committed(hop)
        self._again = self._stage.again or self._full(hop)  # whoever has added something since the hop looked has rung
        return True

    def _full(self, hop: Hop) -> bool:
        """Whether the hop took as much as it may, so that more may lie there."""
        return any(move.stream == self._stage.streams[0] and move.end - move.start >= self._taking for move in hop.moves)

    async def _failed(self, error: Exception) -> None:
        """One bad message must not hold up the rest: halve the batch until it stands alone, then put it aside."""
        told = about("batch_handled", "failure", consumer=self._name)
        log.warning("%s failed on a batch of up to %d: %s", self._name, self._limit, error, exc_info=error, extra=told)
        cursors, self._cursors = self._cursors, None
        if self._limit > 1:
            self._limit //= 2
            return
        self._failures += 1
        stream = self._stage.streams[0]
        queued = await self._journal.read(stream, cursors[stream].no, 1) if cursors else []
        if self._failures < self.TRIES or not queued:
            await asyncio.sleep(min(0.1 * self._failures, 1.0))
            return
        await self._put_aside(queued[0], stream, cursors[stream] if cursors else Cursor(0, 1), str(error))

    async def _put_aside(self, entry: Entry, stream: str, cursor: Cursor, error: str) -> None:
        hop = self._stage.put_aside(entry, error)
        hop.moves.append(Move(self._name, stream, cursor.no, entry.no, cursor.epoch))
        hop.writes.insert(
            0,
            Write(
                "insert into quarantine (consumer, stream, no, body, error) values (%s, %s, %s, %s, %s)",
                (self._name, stream, entry.no, entry.body.decode(errors="replace"), error[:2000]),
            ),
        )
        await self._journal.commit(hop)
        self._failures = 0
        metrics.QUARANTINED.labels(consumer=self._name).inc()
        told = about("message_quarantined", "failure", consumer=self._name, stream=stream, message=entry.no)
        log.error("%s put message %d of %s aside after %d failures: %s", self._name, entry.no, stream, self.TRIES, error, extra=told)
