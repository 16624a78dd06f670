"""What the service and the process of one backtest tell each other."""

from typing import Any, Literal

import msgspec

from libs.domain.configuration import LimitConfig
from libs.store.backtests import Outcome
from libs.store.searches import Finished
from services.backtester.stored import Stored


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A backtest or a search, and what it needs to know of its surroundings."""

    spec: dict[str, Any]
    limits: list[LimitConfig]
    market_data_dir: str
    database_url: str
    code_dir: str = ""  # for machine code; "": nothing is compiled


class Done(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """It ran."""

    outcome: Outcome


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """It cannot be run, and why."""

    error: str


End = Done | Failed


class Checked(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A search that can be run."""

    strategy: str
    spec: bytes  # a SearchSpec as JSON


class Searched(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A search at its end, or as far as it came."""

    finished: Finished


SearchEnd = Searched | Failed


class ParityJob(msgspec.Struct, frozen=True, kw_only=True):
    """A day of an account to be compared, and what that needs to know of its surroundings."""

    account: str
    day: str
    session_id: str
    most: int  # differences that are told
    database_url: str
    config_dir: str
    environment: str


class ParityAnswer(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """How the day of the account compares."""

    account: str
    day: str
    session_id: str
    mode: str
    source: str  # where the backtest's bars came from
    signals: int
    orders: int
    trades: int
    equal: bool
    causes: dict[str, int]  # how many differences of each
    faults: list[str]  # strategies that failed in the backtest
    differences: list[dict[str, Any]]  # the first of them, each as a Difference of libs/domain/stories.py


ParityEnd = ParityAnswer | Failed


Form = Literal["html", "json"]


class BacktestReport(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A stored backtest to be played again for its report, and what that needs to know of its surroundings."""

    stored: Stored
    form: Form
    market_data_dir: str
    database_url: str
    code_dir: str
    config_dir: str
    environment: str


class SearchReport(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A search that a page is wanted of."""

    id: str
    result: dict[str, Any]  # the trials within


ReportJob = BacktestReport | SearchReport


class Made(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The report: a page, or JSON."""

    body: bytes


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """It would be the report of another backtest, and why."""

    error: str


ReportEnd = Made | Refused | Failed
