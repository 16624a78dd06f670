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


class Done(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """It ran."""

    outcome: Outcome


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """It cannot be run, and why."""

    error: str


End = Done | Failed
