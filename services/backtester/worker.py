"""python -m services.backtester.worker: one backtest in a process of its own, from a job on stdin to its end on stdout."""

import asyncio
from pathlib import Path

import msgspec

from libs.common.clocks import SystemClock
from libs.common.database import Database, Rejected, Unreachable
from libs.venues.bar_faults import BadData
from libs.venues.replay.dataset import DataNotFound
from services.backtester import process
from services.backtester.data import Loaded, NoData, load, load_stored
from services.backtester.job import Done, End, Failed, Job
from services.backtester.record import outcome_of
from services.backtester.run import run
from services.backtester.spec import Spec


def end_of(job: Job) -> End:
    """Runs a job."""
    try:
        spec = msgspec.convert(job.spec, Spec)
        loaded = _loaded(spec, job)
        code = Path(job.code_dir) if job.code_dir else None
        return Done(outcome=outcome_of(run(spec, loaded, job.limits, SystemClock(), code), loaded))
    except (BadData, DataNotFound, NoData, Rejected, Unreachable, ValueError) as error:
        return Failed(error=str(error))


def _loaded(spec: Spec, job: Job) -> Loaded:
    if spec.symbols:
        return asyncio.run(_stored(spec, job.database_url))
    return load(spec, Path(job.market_data_dir) if job.market_data_dir else None)


async def _stored(spec: Spec, database_url: str) -> Loaded:
    database = Database(database_url, "backtester:data")
    try:
        return await load_stored(spec, database)
    finally:
        await database.close()


def main() -> None:
    process.answer(lambda question: end_of(msgspec.json.decode(question, type=Job)))


if __name__ == "__main__":
    main()
