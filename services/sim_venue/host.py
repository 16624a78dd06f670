"""The venue as it runs: the core behind a log that is flushed before any answer, what can be read of it, and who listens."""

from collections.abc import Sequence
from typing import Generic, Literal, NamedTuple, Protocol, TypeVar

from aiohttp import web

from libs.domain.market import MarketEvent
from libs.quant.sim_venue.commands import Command
from libs.quant.sim_venue.exchange import Exchange
from libs.quant.sim_venue.reports import Outcome, Report
from libs.quant.sim_venue.view import View
from services.sim_venue.faults import Faults
from services.sim_venue.tape import Tape

T = TypeVar("T")

What = Literal["order_submit", "order_cancel", "order_replace", "order_read", "account_read", "market_read", "other"]
"""What a request is for; faults are aimed by it. A handler says so with `@serves(...)`."""


class Origin(NamedTuple):
    """Where a command came from; written to the log beside it."""

    dialect: str  # alpaca, binance, control
    request: int  # counts all requests that reached the venue, see faults.py


class Credential(NamedTuple):
    """An API key of an account."""

    key: str
    secret: str
    account: str
    dialect: str


class Subscription(Generic[T]):
    """A bounded queue of what happens from now on. One that is not read in time is ended, as a venue does."""

    def __aiter__(self) -> "Subscription[T]":
        return self

    async def __anext__(self) -> T:
        """The next; ends when closed, or when the reader fell too far behind (`overrun` is then true)."""
        raise NotImplementedError

    overrun: bool

    def close(self) -> None:
        """No more of it."""
        raise NotImplementedError


class Host:
    """One venue in this process."""

    exchange: Exchange  # written by `execute` and the market only; dialects read `view`
    view: View  # may lag behind, by the knob `read_lag_s`
    tape: Tape
    faults: Faults

    def now(self) -> int:
        """Market time, ns: of orders, fills, quotes, bars, sessions."""
        raise NotImplementedError

    def wire_time_ns(self) -> int:
        """Time of this machine, moved by the knob `clock_skew_ms`: of signatures, recvWindow, `serverTime`, token expiry."""
        raise NotImplementedError

    def credential(self, key: str) -> Credential | None:
        """Whose key it is."""
        raise NotImplementedError

    async def execute(self, command: Command, origin: Origin) -> Outcome:
        """Does it, and returns when command and outcome are on disk. Commands are done in the order of these calls."""
        raise NotImplementedError

    def reports(self, account: str) -> Subscription[Report]:
        """The account's reports from now on, each after it is on disk, all in order."""
        raise NotImplementedError

    def market(self) -> Subscription[Sequence[MarketEvent]]:
        """Quotes and trades from now on, in batches."""
        raise NotImplementedError


class Dialect(Protocol):
    """A wire protocol under a path prefix."""

    name: str
    prefix: str  # "/binance"

    def routes(self) -> Sequence[web.AbstractRouteDef]: ...

    def fault_answer(self, status: int) -> web.Response:
        """The venue's own body for a status that the fault knobs ask for: 418, 429, 500, 502, 503, 504."""
        ...
