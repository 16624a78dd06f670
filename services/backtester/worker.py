"""python -m services.backtester.worker: one backtest in a process of its own, from a job on stdin to its end on stdout."""

from pathlib import Path

import msgspec

from libs.common.clocks import SystemClock
from libs.common.database import Rejected, Unreachable
from libs.venues.bar_faults import BadData
from libs.venues.replay.dataset import DataNotFound
from services.backtester import process
from services.backtester.data import NoData
from services.backtester.job import Done, End, Failed, Job
from services.backtester.loading import loaded
from services.backtester.record import outcome_of
from services.backtester.run import run
from services.backtester.spec import Spec


def end_of(job: Job) -> End:
    """Runs a job."""
    try:
        spec = msgspec.convert(job.spec, Spec)
        data = loaded(spec, job.market_data_dir, job.database_url)
        code = Path(job.code_dir) if job.code_dir else None
        return Done(outcome=outcome_of(run(spec, data, job.limits, SystemClock(), code), data))
    except (BadData, DataNotFound, NoData, Rejected, Unreachable, ValueError) as error:
        return Failed(error=str(error))


def main() -> None:
    process.answer(lambda question: end_of(msgspec.json.decode(question, type=Job)))


if __name__ == "__main__":
    main()
