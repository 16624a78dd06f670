"""python -m services.backtester.worker: one backtest in a process of its own, from a job on stdin to its end on stdout.

The service never loads what reading data needs (numpy, pyarrow), and gets a backtest's memory back when it is over. A
backtest that crashes takes nothing with it.
"""

import asyncio
import os
import sys
import threading
import time
from pathlib import Path
from typing import Final

import msgspec

from libs.common.clocks import SystemClock
from libs.common.database import Database, Rejected, Unreachable
from libs.venues.bar_faults import BadData
from libs.venues.replay.dataset import DataNotFound
from services.backtester.data import Loaded, NoData, load, load_stored
from services.backtester.job import Done, End, Failed, Job
from services.backtester.record import outcome_of
from services.backtester.run import run
from services.backtester.spec import Spec

POLITE: Final = 10
"""Added to the niceness: trading goes first."""
LOOK_S: Final = 0.5


def end_of(job: Job) -> End:
    """Runs a job."""
    try:
        spec = msgspec.convert(job.spec, Spec)
        loaded = _loaded(spec, job)
        return Done(outcome=outcome_of(run(spec, loaded, job.limits, SystemClock()), loaded))
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


def _leave_with(parent: int) -> None:
    """A service that was killed leaves no backtest running behind it."""
    while os.getppid() == parent:
        time.sleep(LOOK_S)
    os._exit(1)


def main() -> None:
    os.nice(POLITE)
    threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    sys.stdout.buffer.write(msgspec.msgpack.encode(end_of(job)))


if __name__ == "__main__":
    main()
