"""backtester: runs what waits in the record, one after another, each in a process of its own beside the trading."""

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeVar
from uuid import UUID

import msgspec

from libs.common import metrics
from libs.common.database import Database, Rejected
from libs.common.logs import about
from libs.common.runner import Context
from libs.common.settings import Settings, from_toml
from libs.domain.configuration import LimitConfig, RiskConfig
from libs.store import backtests
from libs.store.backtests import Taken
from services.backtester import process
from services.backtester.compiling import COMPILED
from services.backtester.job import Done, End, Failed, Job

T = TypeVar("T")
_DECODE: Final[Callable[[bytes], End]] = msgspec.msgpack.Decoder(End).decode
log = logging.getLogger(__name__)

LOOK_S: Final = 1.0  # between two looks at the queue, for what was put there by others
WORKER: Final = (sys.executable, "-m", "services.backtester.worker")


async def work(context: Context, settings: Settings, bell: asyncio.Event) -> None:
    """Runs queued backtests until asked to stop; `bell` says that there is one.

    What was running when the service died, or when it is asked to leave, waits again: equal jobs end equally.
    """
    limits = from_toml(RiskConfig, Path(settings.config_dir), "risk", settings.environment).limit
    database = context.database("queue")
    await database.write([backtests.taken_back()])
    context.readiness.set("service", True)
    stopping = asyncio.ensure_future(context.stopping.wait())
    try:
        while not stopping.done():
            taken = await backtests.take(database)
            if taken is None:
                await _either(bell.wait(), stopping, LOOK_S)
                bell.clear()
                continue
            end = await _either(end_of(_job(taken, limits, settings)), stopping)
            if end is not None:
                await _keep(database, taken.id, end)
    finally:
        stopping.cancel()
    await database.write([backtests.taken_back()])


async def _either(waited: Coroutine[Any, Any, T], stopping: asyncio.Task[Literal[True]], seconds: float | None = None) -> T | None:
    """What comes of it, or None when the time is over or somebody asks to stop first: it is cancelled then."""
    task = asyncio.ensure_future(waited)
    try:
        await asyncio.wait({task, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        task.cancel()
        await asyncio.wait({task})


def _job(taken: Taken, limits: list[LimitConfig], settings: Settings) -> Job:
    return Job(
        spec=taken.spec,
        limits=limits,
        market_data_dir=settings.market_data_dir,
        database_url=settings.database_url,
        code_dir=str(Path(settings.state_dir).resolve() / COMPILED),
    )


async def _keep(database: Database, id_: UUID, end: End) -> None:
    if isinstance(end, Done):
        try:
            await database.write(backtests.finished(id_, end.outcome))
            metrics.BACKTESTS.labels(outcome="done").inc()
            return
        except Rejected as error:  # a figure that no column can hold
            end = Failed(error=f"its result cannot be stored: {error}")
    log.warning("backtest %s failed: %s", id_, end.error, extra=about("backtest_ended", "failure", backtest_id=id_))
    await database.write([backtests.failed(id_, end.error)])
    metrics.BACKTESTS.labels(outcome="failed").inc()


async def end_of(job: Job, command: Sequence[str] = WORKER) -> End:
    """Runs a job in a process of its own, which does not outlive this call."""
    said = await process.asked(job, command)
    return said if isinstance(said, Failed) else _DECODE(said)
