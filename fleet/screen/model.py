"""What the live screen shows at one moment, as plain values: made by reading.py, turned into lines by layout.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from fleet.venue_links import VenueLink
from fleet.watching import Latency
from libs.domain.kill import Mode
from libs.store.queries.screen import AccountSeen, BookSeen, Price, SessionSeen

STARTING: Final = "starting"
STOPPED: Final = "stopped"  # by us, for good


class Light(NamedTuple):
    """A service or a server."""

    name: str
    state: str  # healthy, starting, stopped, or what is wrong
    for_s: float  # host seconds in this state
    restarts: int

    @property
    def well(self) -> bool:
        return self.state == "healthy"


class Alert(NamedTuple):
    """Something that is wrong now, and what to do about it."""

    key: str
    severity: str  # critical, warning
    title: str
    body: str
    remedy: str  # a command, or the page of a runbook; "" when there is none
    since: str  # host time of day, UTC; "" when not known


class Account(NamedTuple):
    """An account with what follows from its books. Shares are of the equity."""

    seen: AccountSeen
    equity: float
    day_pnl: float | None  # None: the equity at the beginning of the day is not known
    drawdown: float  # share below the highest equity
    gross: float
    gross_limit: float | None  # None: no limit is configured


class Stopped(NamedTuple):
    """A scope in which nothing new is ordered, until a person allows it again."""

    scope: str  # as people write it
    halted: bool = False  # by a loss limit, perhaps by a kill switch too
    mode: Mode | None = None  # of its kill switch


@dataclass(frozen=True)
class Path:
    """The order path in this run."""

    signals: int = 0
    orders: int = 0
    trades: int = 0
    open_orders: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)  # by code
    latency: Latency | None = None  # tick to order


View = Literal["fleet", "alerts", "help"]


@dataclass(frozen=True)
class Question:
    """What the operator is asked in the last line, and what has been typed so far."""

    kind: Literal["kill", "flatten", "rearm"]
    scope: str
    typed: str = ""
    complaint: str = ""


@dataclass(frozen=True)
class Hand:
    """Where the operator is."""

    view: View = "fleet"
    question: Question | None = None


@dataclass(frozen=True)
class Snapshot:
    """All of it. Without a session the market has not begun."""

    market: str  # which is played, and how fast
    prices: str  # invented, or of the past
    uptime_s: float
    live: bool = False  # real money is traded
    session: SessionSeen | None = None
    services: Sequence[Light] = ()
    venues: Mapping[str, VenueLink] = field(default_factory=dict)  # by account
    accounts: Sequence[Account] = ()
    opening: Sequence[str] = ()  # accounts whose deposit is not booked yet
    books: Sequence[BookSeen] = ()
    closes: Sequence[Price] = ()
    path: Path = Path()
    alerts: Sequence[Alert] = ()
    stopped: Sequence[Stopped] = ()
    events: Sequence[str] = ()  # oldest first
    hand: Hand = Hand()
    keys: bool = True  # whether there is a keyboard
    stopping: bool = False
