"""What the monitor sees of the fleet at one look. Durations are host seconds; ages are by the database's clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from libs.domain.kill import Mode


class ServiceSeen(NamedTuple):
    """A service, as its readiness says."""

    ready: bool
    detail: str = ""  # why it is not
    lasted_s: float = 0.0  # how long it has been as it is
    answers: bool = True
    known: bool = True  # it has been ready since the monitor began to look
    left: bool = False  # it said that it leaves: somebody stops it
    waits_for: frozenset[str] = frozenset()  # postgres, redis: when nothing else is wrong with it


class ServerSeen(NamedTuple):
    """Postgres or Redis."""

    up: bool
    detail: str = ""
    lasted_s: float = 0.0


class SessionSeen(NamedTuple):
    """The session that is played, or was played last."""

    session_id: str
    feed: str
    mode: str  # free, lockstep
    state: str  # running, suspended, finished
    paused: bool
    market_time: int  # ns


class Lag(NamedTuple):
    """How far a consumer is behind its stream."""

    consumer: str
    stream: str
    messages: int
    age_s: float  # of the oldest that it has not read; 0 when it has read all


class KillSeen(NamedTuple):
    """A kill switch that is on; `scope` as people write it: fleet, symbol:ALFA."""

    scope: str
    reason: str
    by: str
    mode: Mode = "halt"


class HaltSeen(NamedTuple):
    """An account that may only close."""

    account_id: str
    limit: str
    limit_value: float
    seen: float


class DisarmedSeen(NamedTuple):
    """Why an account sends nothing that adds to a book, by the state of the system."""

    account_id: str
    key: str
    code: str
    text: str


class LooserSeen(NamedTuple):
    """A looser limit that waits to hold."""

    version: int
    scope: str
    key: str
    name: str
    unit: str
    value: float | None  # None: the limit is to be taken away
    by: str
    reason: str
    effective_at: str  # UTC, for a person


class DaySeen(NamedTuple):
    """An account's days by its venue's statement."""

    last_clean: str | None  # the last day that was the same to the last digit, ISO; None: none was yet
    broken: int  # days since that were not


@dataclass(frozen=True)
class RecordSeen:
    """What Postgres said at one moment."""

    session: SessionSeen | None = None
    leases: Mapping[str, bool] = field(default_factory=dict)  # those that the running session needs: whether held
    lags: Sequence[Lag] = ()
    unsettled: int = 0  # orders SUBMITTING or UNKNOWN
    unsettled_age_s: float = 0.0  # of the one that has been so longest
    quarantined: Mapping[str, int] = field(default_factory=dict)  # message, fill: rows
    quarantined_age_s: Mapping[str, float] = field(default_factory=dict)  # of the newest row
    kills: Sequence[KillSeen] = ()
    halts: Sequence[HaltSeen] = ()
    disarmed: Sequence[DisarmedSeen] = ()
    looser: Sequence[LooserSeen] = ()
    days: Mapping[str, DaySeen] = field(default_factory=dict)  # by account
    open_orders: Mapping[str, int] = field(default_factory=dict)  # by status
    failed_strategies: Mapping[str, str] = field(default_factory=dict)  # why


class HostSeen(NamedTuple):
    """The machine; shares of the whole."""

    disk_free: float = 1.0  # of the disk that holds the state folder
    memory_available: float = 1.0


class ChannelSeen(NamedTuple):
    """A way to the operator."""

    failing_s: float = 0.0  # since it first failed, and has not worked since
    detail: str = ""


@dataclass(frozen=True)
class Seen:
    """All that a judgement of the fleet is made from."""

    services: Mapping[str, ServiceSeen] = field(default_factory=dict)
    servers: Mapping[str, ServerSeen] = field(default_factory=dict)
    record: RecordSeen | None = None  # None: not to be had now
    still_s: float = 0.0  # how long market time has not moved
    host: HostSeen = HostSeen()
    prometheus_silent_s: float | None = None  # since its watchdog was last heard; None before it ever was
    channels: Mapping[str, ChannelSeen] = field(default_factory=dict)
