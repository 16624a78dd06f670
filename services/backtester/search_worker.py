"""python -m services.backtester.search_worker: one search in a process of its own, from a job on stdin to its end on stdout."""

import asyncio
from pathlib import Path
from typing import Final

import msgspec

from libs.common.clocks import SystemClock
from libs.common.database import Database, Rejected, Unreachable
from libs.store.searches import Finished
from libs.venues.bar_faults import BadData
from libs.venues.replay.dataset import DataNotFound
from services.backtester import process
from services.backtester.data import NoData
from services.backtester.job import Failed, Job, Searched, SearchEnd
from services.backtester.loading import loaded
from services.backtester.pool import Pool, cores
from services.backtester.search_run import Ended, earlier, prepared, searched
from services.backtester.search_spec import stored_spec

AGAIN_S: Final = 2.0
"""Between two looks whether the record is back: what was found in an hour waits for it."""


def end_of(job: Job, workers: int) -> SearchEnd:
    """Runs a job."""
    try:
        spec = stored_spec(job.spec)
        data = loaded(spec.backtest, job.market_data_dir, job.database_url)
        search = prepared(spec, data, job.limits, Path(job.code_dir))
        with Pool(search.bench, workers, lambda text: None, compiles=search.compiles) as crew:
            ended = searched(search, crew, SystemClock())
        return Searched(finished=asyncio.run(_counted(ended, job.database_url)))
    except (BadData, DataNotFound, NoData, Rejected, Unreachable, ValueError) as error:
        return Failed(error=str(error))


async def _counted(ended: Ended, database_url: str) -> Finished:
    """With the trials of earlier searches counted."""
    database = Database(database_url, "backtester:searches")
    try:
        while True:
            try:
                return ended.finished(ended.answer(await earlier(database, ended)))
            except Unreachable:
                await asyncio.sleep(AGAIN_S)
    finally:
        await database.close()


def main() -> None:
    workers = max(1, cores() - 1)  # trading goes first: a core is left to it
    process.answer(lambda question: end_of(msgspec.json.decode(question, type=Job), workers))


if __name__ == "__main__":
    main()
