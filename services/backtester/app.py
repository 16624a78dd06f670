"""backtester: runs what waits in the record, backtests and searches, one of each at a time, in processes of their own beside trading."""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from libs.common import metrics
from libs.common.database import Database, Rejected, Unreachable, Write
from libs.common.logs import about
from libs.common.runner import Context
from libs.common.settings import Settings, from_toml
from libs.domain.configuration import LimitConfig, RiskConfig
from libs.store import backtests, searches
from services.backtester import process
from services.backtester.compiling import COMPILED
from services.backtester.job import Done, End, Failed, Job, Searched, SearchEnd

T = TypeVar("T")
AnyTaken = backtests.Taken | searches.Taken
AnyEnd = End | SearchEnd
_DECODE: Final[Callable[[bytes], AnyEnd]] = msgspec.msgpack.Decoder(AnyEnd).decode
log = logging.getLogger(__name__)

LOOK_S: Final = 1.0  # between two looks at a queue, for what was put there by others
AGAIN_S: Final = 2.0  # between two tries while the record is away
WORKER: Final = (sys.executable, "-m", "services.backtester.worker")
SEARCH_WORKER: Final = (sys.executable, "-m", "services.backtester.search_worker")


class Bells(NamedTuple):
    """Rung for what waits."""

    backtests: asyncio.Event
    searches: asyncio.Event


class Kind(NamedTuple):
    """One of the two queues."""

    take: Callable[[Database], Awaitable[AnyTaken | None]]
    taken_back: Callable[[], Write]
    worker: Sequence[str]
    keep: Callable[[Database, UUID, AnyEnd], Awaitable[None]]


async def work(context: Context, settings: Settings, bells: Bells) -> None:
    """Runs what is queued until asked to stop. A long search holds up no backtest.

    What was running when the service died, or when it is asked to leave, waits again: equal jobs end equally.
    """
    limits = from_toml(RiskConfig, Path(settings.config_dir), "risk", settings.environment).limit
    database = context.database("queue")
    await database.write([backtests.taken_back(), searches.taken_back()])
    context.readiness.set("service", True)

    async def serve(kind: Kind, bell: asyncio.Event, database: Database) -> None:
        await _serve(kind, lambda taken: end_of(_job(taken, limits, settings), kind.worker), bell, database, context.stopping)

    async with asyncio.TaskGroup() as both:
        both.create_task(serve(BACKTESTS, bells.backtests, database))
        both.create_task(serve(SEARCHES, bells.searches, context.database("searches")))
    await database.write([backtests.taken_back(), searches.taken_back()])


async def _serve(
    kind: Kind, run: Callable[[AnyTaken], Coroutine[Any, Any, AnyEnd]], bell: asyncio.Event, database: Database, stop: asyncio.Event
) -> None:
    stopping = asyncio.ensure_future(stop.wait())
    try:
        while not stopping.done():
            taken = await _patiently(partial(_next, kind, database, count()), stopping)
            if taken is None:
                await _either(bell.wait(), stopping, LOOK_S)
                bell.clear()
                continue
            end = await _either(run(taken), stopping)
            if end is not None:
                await _patiently(partial(kind.keep, database, taken.id, end), stopping)
    finally:
        stopping.cancel()


async def _next(kind: Kind, database: Database, tries: Iterator[int]) -> AnyTaken | None:
    if next(tries):  # what was taken as the record went away: nothing of this kind runs here
        await database.write([kind.taken_back()])
    return await kind.take(database)


async def _patiently(call: Callable[[], Awaitable[T]], stopping: asyncio.Task[Literal[True]]) -> T | None:
    """What comes of it once the record is there, or None when somebody asks to stop first. An outage ends nothing that runs."""
    while not stopping.done():
        try:
            return await call()
        except Unreachable as error:
            log.warning("waits for the database: %s", error, extra=about("database_lost", "failure"))
            await asyncio.wait({stopping}, timeout=AGAIN_S)
    return None


async def _either(waited: Coroutine[Any, Any, T], stopping: asyncio.Task[Literal[True]], seconds: float | None = None) -> T | None:
    """What comes of it, or None when the time is over or somebody asks to stop first: it is cancelled then."""
    task = asyncio.ensure_future(waited)
    try:
        await asyncio.wait({task, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        task.cancel()
        await asyncio.wait({task})


def _job(taken: AnyTaken, limits: list[LimitConfig], settings: Settings) -> Job:
    return Job(
        spec=taken.spec,
        limits=limits,
        market_data_dir=settings.market_data_dir,
        database_url=settings.database_url,
        code_dir=str(Path(settings.state_dir).resolve() / COMPILED),
    )


async def _keep_backtest(database: Database, id_: UUID, end: AnyEnd) -> None:
    if isinstance(end, Done):
        try:
            await database.write(backtests.finished(id_, end.outcome))
            metrics.BACKTESTS.labels(outcome="done").inc()
            return
        except Rejected as error:  # a figure that no column can hold
            end = Failed(error=f"its result cannot be stored: {error}")
    assert isinstance(end, Failed), "a backtest ends in no other way"
    log.warning("backtest %s failed: %s", id_, end.error, extra=about("backtest_ended", "failure", backtest_id=id_))
    await database.write([backtests.failed(id_, end.error)])
    metrics.BACKTESTS.labels(outcome="failed").inc()


async def _keep_search(database: Database, id_: UUID, end: AnyEnd) -> None:
    """Also what was found until a trial took down its process: that search has failed, and its trials count."""
    if isinstance(end, Searched):
        state, error, writes = end.finished.state, end.finished.error, searches.finished(id_, end.finished)
        try:
            await database.write(writes)
        except Rejected as rejected:
            state, error = "failed", f"its result cannot be stored: {rejected}"
            await database.write([searches.failed(id_, error)])
    else:
        assert isinstance(end, Failed), "a search ends in no other way"
        state, error = "failed", end.error
        await database.write([searches.failed(id_, error)])
    if error:
        log.warning("search %s failed: %s", id_, error, extra=about("search_ended", "failure", search_id=id_))
    metrics.SEARCHES.labels(outcome=state).inc()


BACKTESTS: Final = Kind(backtests.take, backtests.taken_back, WORKER, _keep_backtest)
SEARCHES: Final = Kind(searches.take, searches.taken_back, SEARCH_WORKER, _keep_search)


async def end_of(job: Job, command: Sequence[str] = WORKER) -> AnyEnd:
    """Runs a job in a process of its own, which does not outlive this call."""
    said = await process.asked(job, command)
    return said if isinstance(said, Failed) else _DECODE(said)
