"""python -m services.backtester.report_worker: one report in a process of its own, from a job on stdin to the page on stdout."""

from pathlib import Path

import msgspec

from libs.common.clocks import SystemClock
from libs.common.database import Rejected, Unreachable
from libs.common.settings import ConfigError, from_toml
from libs.domain.configuration import RiskConfig
from libs.pages.backtest import Report, data_of, page
from libs.pages.search import search_page
from libs.venues.bar_faults import BadData
from libs.venues.replay.dataset import DataNotFound
from services.backtester import process
from services.backtester.data import NoData
from services.backtester.job import BacktestReport, Failed, Made, Refused, ReportEnd, ReportJob
from services.backtester.loading import loaded
from services.backtester.reporting import Another, again
from services.backtester.spec import Spec


def end_of(job: ReportJob) -> ReportEnd:
    """Makes a report."""
    if not isinstance(job, BacktestReport):
        return Made(body=search_page(job.result, job.id).encode())
    try:
        report = _again(job)
    except Another as error:
        return Refused(error=str(error))
    except (BadData, ConfigError, DataNotFound, NoData, Rejected, Unreachable, ValueError) as error:
        return Failed(error=str(error))
    return Made(body=page(report).encode() if job.form == "html" else msgspec.json.encode(data_of(report)))


def _again(job: BacktestReport) -> Report:
    spec = msgspec.convert(job.stored.spec, Spec)
    limits = from_toml(RiskConfig, Path(job.config_dir), "risk", job.environment).limit
    return again(job.stored, loaded(spec, job.market_data_dir, job.database_url), limits, SystemClock(), Path(job.code_dir))


def main() -> None:
    process.answer(lambda question: end_of(msgspec.json.decode(question, type=ReportJob)))


if __name__ == "__main__":
    main()
