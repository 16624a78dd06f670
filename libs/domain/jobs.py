"""Jobs: what the operator writes in config/jobs.toml, as types, and how a run stands. Unknown keys are refused."""

from typing import Annotated, ClassVar, Final, Literal, get_args

import msgspec

from libs.domain.configuration import StrategyName

Clock = Literal["market", "host"]
RunState = Literal["queued", "running", "done", "failed", "skipped"]
Seconds = Annotated[float, msgspec.Meta(ge=0.0, le=1e9)]
Days = Annotated[int, msgspec.Meta(ge=1, le=36_500)]


class JobConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """One `[[job]]`; its `kind` says which of the classes below it is."""

    id: StrategyName
    clock: Clock
    schedule: str  # a rule of libs/quant/schedules.py
    calendar: Literal["session", "us_equity", "cme_globex", "forex", "24/7"] = "24/7"  # session: those of the market that is played
    enabled: bool = True  # False: by hand only
    misfire: Literal["run once", "skip"] = "run once"  # what was due while nobody could run it
    grace_s: Seconds = 300.0  # of `skip`: how late it may still be run, on its own clock
    about: ClassVar[str] = ""  # what it does, for a person
    timeout_s: Annotated[float, msgspec.Meta(gt=0.0, le=86_400.0)] = 300.0  # host time

    @property
    def kind(self) -> str:
        """As in the configuration."""
        return str(self.__struct_config__.tag)


class SessionEvents(JobConfig, frozen=True, kw_only=True, tag="session_events"):
    """Opens and closes as notifications."""

    about: ClassVar[str] = "says when the markets that are played open and close"


class EndOfDay(JobConfig, frozen=True, kw_only=True, tag="end_of_day"):
    """The day's report."""

    about: ClassVar[str] = "reports the day of each account"


class Partitions(JobConfig, frozen=True, kw_only=True, tag="partitions"):
    """Room for what the market brings."""

    about: ClassVar[str] = "makes the market tables' partitions of this month and the next"


class Reconciliation(JobConfig, frozen=True, kw_only=True, tag="reconciliation"):
    """Whether the books agree."""

    about: ClassVar[str] = "checks the books, and has trade_executor compare them with the venue"


class Parity(JobConfig, frozen=True, kw_only=True, tag="parity"):
    """Fleet beside backtest."""

    about: ClassVar[str] = "plays the day again through the backtester and compares"


class Statement(JobConfig, frozen=True, kw_only=True, tag="statement"):
    """The day by the venue's statement."""

    about: ClassVar[str] = "compares each account's ended day with the venue's statement, to the last digit"


class Kept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For how many days each table keeps its rows."""

    market_quotes: Days = 30
    journal: Days = 14
    notifications: Days = 90
    job_runs: Days = 90
    portfolio_equity: Days = 365
    risk_metrics: Days = 365
    data_quarantine: Days = 30


class Retention(JobConfig, frozen=True, kw_only=True, tag="retention"):
    """What is kept, and for how long."""

    about: ClassVar[str] = "deletes what is older than it has to be kept"

    params: Kept = Kept()


AnyJob = SessionEvents | EndOfDay | Partitions | Reconciliation | Parity | Statement | Retention
KINDS: Final = tuple(str(kind.__struct_config__.tag) for kind in get_args(AnyJob))


class JobsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """config/jobs.toml"""

    job: list[AnyJob] = []
