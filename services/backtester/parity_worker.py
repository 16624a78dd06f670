"""python -m services.backtester.parity_worker: one day of one account beside its backtest, in a process of its own."""

import asyncio
from pathlib import Path

import msgspec

from libs.common.database import Database, Rejected, Unreachable
from libs.common.settings import ConfigError
from services.backtester import process
from services.backtester.job import Failed, ParityAnswer, ParityEnd, ParityJob
from services.backtester.parity import NothingTraded, compare, configured, counted
from services.backtester.parity_days import day_of


def end_of(job: ParityJob) -> ParityEnd:
    """Compares."""
    try:
        return asyncio.run(_compared(job))
    except (ConfigError, NothingTraded, Rejected, Unreachable, ValueError) as error:
        return Failed(error=str(error))


async def _compared(job: ParityJob) -> ParityAnswer:
    database = Database(job.database_url, "backtester:parity")
    try:
        operating = configured(Path(job.config_dir), job.environment)
        [found] = await compare(database, day_of(job.day), operating, job.session_id, None, job.account)
    finally:
        await database.close()
    return ParityAnswer(
        account=found.account_id,
        day=job.day,
        session_id=found.session_id,
        mode=found.mode,
        source=found.source,
        signals=found.signals,
        orders=found.orders,
        trades=found.trades,
        equal=found.equal,
        causes=counted(found),
        faults=found.faults,
        differences=[difference._asdict() for difference in found.differences[: job.most]],
    )


if __name__ == "__main__":
    process.answer(lambda question: end_of(msgspec.json.decode(question, type=ParityJob)))
