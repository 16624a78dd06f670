"""The connection under ccxt: no redirects, no late sends, and a record of what became of each request."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import Final

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from aiohttp.connector import Connection

from libs.common.clocks import HostClock
from libs.venues.broker import NotSent
from libs.venues.budget import Budget
from libs.venues.ccxt_venue.outcomes import Answered
from libs.venues.marked_request import MarkedRequest

_BACK_OFF: Final = (418, 429)
_LATE: Final = "the time to send it had passed before its first byte"
_PAUSE_S: Final = 10.0  # where the venue does not say for how long to stay away


class Redirected(aiohttp.ClientConnectionError):
    """The venue sent us elsewhere. Followed, a POST would be sent a second time, and the key with it."""


@dataclass(slots=True)
class Sending:
    """One call that may change something at the venue, while it is under way."""

    limit: asyncio.Timeout
    withheld: Callable[[], str]  # why the first byte may not be written now; "" when it may
    written: bool = False  # a connection was there to write to
    own_words: bool = False
    status: int | None = None
    code: str | None = None
    message: str = ""
    data: object = None

    def answered(self) -> Answered:
        """What there is to judge an error by."""
        return Answered(self.written, self.own_words, self.status, self.code, self.message, self.data)


@dataclass(slots=True)
class Wire:
    """What passes between one exchange object and its venue."""

    clock: HostClock
    budget: Budget
    latency_ms: float | None = None  # of the newest answered request
    failed: str = ""  # why the newest request was not answered; "" when it was
    session: aiohttp.ClientSession | None = field(default=None, repr=False)

    def open(self) -> aiohttp.ClientSession:
        """The one session that the exchange has to use. Its caller closes it."""
        traces = aiohttp.TraceConfig()
        traces.on_connection_create_end.append(_about_to_write)
        traces.on_connection_reuseconn.append(_about_to_write)
        self.session = aiohttp.ClientSession(
            middlewares=(self._pass,), trace_configs=[traces], cookie_jar=aiohttp.DummyCookieJar(), request_class=_Held
        )
        return self.session

    @asynccontextmanager
    async def sending(self, deadline: float, hold: Callable[[], str] | None = None) -> AsyncIterator[Sending]:
        """Around one call of ccxt that changes something: nothing is written after `deadline`, host monotonic seconds, nor when `hold`,
        asked right before the first byte, says why not.

        Raises:
            NotSent: it was held back, or the deadline passed before there was a connection to write to.
        """
        left = deadline - self.clock.monotonic()
        if left <= 0:
            raise NotSent("the time to send it has passed")
        try:
            async with asyncio.timeout(left) as limit:
                sending = Sending(limit, lambda: _LATE if self.clock.monotonic() > deadline else hold() if hold else "")
                token = _SENDING.set(sending)
                try:
                    yield sending
                finally:
                    _SENDING.reset(token)
        except TimeoutError as error:
            raise NotSent("no connection to the venue before the time to send it had passed") from error

    async def _pass(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        began = self.clock.monotonic()
        try:
            response = await handler(request)
        except (aiohttp.ClientError, OSError) as error:
            self.failed = f"{type(error).__name__}: {error}"
            raise
        self.latency_ms = (self.clock.monotonic() - began) * 1e3
        self.failed = f"HTTP {response.status}" if response.status >= 500 else ""
        if response.status in _BACK_OFF:
            self.budget.pause(_retry_after(response.headers.get("Retry-After", ""), self.clock))
        if 300 <= response.status < 400:
            response.close()
            raise Redirected(f"{request.method} {request.url.path} was answered with a redirect to {response.headers.get('Location')}")
        return response


_SENDING: ContextVar[Sending | None] = ContextVar("sending", default=None)


class _Held(MarkedRequest):
    """aiohttp's request, asking leave before it writes."""

    async def send(self, conn: Connection) -> ClientResponse:
        if reason := self.withheld():
            raise NotSent(reason)
        return await super().send(conn)

    def withheld(self) -> str:
        sending = _SENDING.get()
        if sending is None:
            return ""
        reason = sending.withheld()
        sending.written = not reason  # a connection is there, and nothing was written to it
        return reason


def current() -> Sending | None:
    """The call within which we are, when it is one that changes something."""
    return _SENDING.get()


async def _about_to_write(_session: aiohttp.ClientSession, _context: SimpleNamespace, _params: object) -> None:
    if sending := _SENDING.get():
        sending.limit.reschedule(None)  # what is written now has to be waited for; an error when it is too late for that
        sending.written = True


def _retry_after(header: str, clock: HostClock) -> float:
    """Seconds (RFC 9110: a number of them, or a date)."""
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - clock.now_ns() / 1e9)
    except ValueError:
        return _PAUSE_S
