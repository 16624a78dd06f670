"""What the service and the process of one backtest tell each other."""

from typing import Any

import msgspec

from libs.domain.configuration import LimitConfig
from libs.store.backtests import Outcome


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A backtest and what it needs to know of its surroundings."""

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
