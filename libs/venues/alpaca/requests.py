"""One request, once: what was asked is either answered, or it is known whether anything left this host."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

import aiohttp
from aiohttp.client_reqrep import ClientResponse
from aiohttp.connector import Connection

from libs.common.clocks import HostClock
from libs.venues.broker import NotSent, OutcomeUnknown
from libs.venues.budget import Budget, Purpose
from libs.venues.endpoint import Endpoint
from libs.venues.marked_request import MarkedRequest

CONNECT_S: Final = 2.0
TOTAL_S: Final = 5.0
READ_WAIT_S: Final = 10.0
PAGE_WAIT_S: Final = 90.0  # of one page of many: the budget comes back within a minute, and a long listing may use it up
PAUSE_S: Final = 3.0  # after a 429 that does not say how long
LONGEST_PAUSE_S: Final = 120.0


class Answer(NamedTuple):
    """What the venue said, whatever it is."""

    status: int
    body: bytes

    def shown(self) -> str:
        """For people."""
        text = self.body[:200].decode(errors="replace").strip()
        return f"HTTP {self.status}: {text}" if text else f"HTTP {self.status} without a body"


class _Attempt:
    """One logical request: has any of it been handed to a socket?"""

    def __init__(self, clock: HostClock, deadline: float, hold: Callable[[], str] | None) -> None:
        self._clock = clock
        self._deadline = deadline
        self._hold = hold
        self.written = False

    def begin(self) -> None:
        """Called when the connection stands, right before the first byte.

        Raises:
            NotSent: it is too late, or held back.
            OutcomeUnknown: it was written before. aiohttp would repeat a GET or DELETE whose connection was cut.
        """
        if self.written:
            raise OutcomeUnknown("the connection was cut after the request was written")
        if reason := self.withheld():
            raise NotSent(reason)

    def withheld(self) -> str:
        """Why the first byte may not be written now; "" when it may, and then it counts as written."""
        late = self._clock.monotonic() > self._deadline
        reason = "the send deadline passed before the first byte" if late else self._hold() if self._hold is not None else ""
        self.written = not reason
        return reason


_ATTEMPT: ContextVar[_Attempt | None] = ContextVar("attempt", default=None)
"""What is being asked in this task; None: a stream is being opened."""


class _OneWrite(MarkedRequest):
    """aiohttp's request, asking leave before it writes."""

    async def send(self, conn: Connection) -> ClientResponse:
        if attempt := _ATTEMPT.get():
            attempt.begin()
        return await super().send(conn)

    def withheld(self) -> str:
        attempt = _ATTEMPT.get()
        return "" if attempt is None else attempt.withheld()


class Requests:
    """HTTP to one account at Alpaca: no retry, no redirect, no waiting beyond the limits."""

    def __init__(self, endpoint: Endpoint, budget: Budget, clock: HostClock) -> None:
        self.budget = budget
        self._headers = {"APCA-API-KEY-ID": endpoint.key, "APCA-API-SECRET-KEY": endpoint.secret}
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._given_up = False
        self.latency_ms: float | None = None  # of the newest answered request
        self.trouble = "nothing has been asked yet"  # what became of the newest request; "": it was answered

    @property
    def session(self) -> aiohttp.ClientSession:
        """Of this account; opened when it is first needed, as that must be inside the event loop."""
        if self._session is None or self._session.closed:
            timeout = aiohttp.ClientTimeout(total=TOTAL_S, connect=CONNECT_S)
            self._session = aiohttp.ClientSession(timeout=timeout, request_class=_OneWrite)
        return self._session

    async def close(self) -> None:
        """Gives up the connections; a second time does nothing. What still waits for the budget is not sent any more."""
        self._given_up = True
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def read(self, url: str, params: Mapping[str, str] | None = None, wait_s: float = READ_WAIT_S) -> Answer:
        """A GET.

        Args:
            wait_s: how many host seconds it waits for the request budget.

        Raises:
            OutcomeUnknown: it was not answered.
        """
        try:
            return await self.send("read", "GET", url, params=params, deadline=self._clock.monotonic() + wait_s)
        except NotSent as error:
            raise OutcomeUnknown(f"the venue was not asked: {error}") from error

    async def send(
        self,
        what: Purpose,
        method: str,
        url: str,
        *,
        deadline: float,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        hold: Callable[[], str] | None = None,
    ) -> Answer:
        """The request, written at most once.

        Args:
            deadline: host monotonic seconds after which nothing may be written.
            hold: asked right before the first byte why it may not be written.

        Raises:
            NotSent: no byte of it left this host.
            OutcomeUnknown: some may have, and there is no whole answer.
        """
        await self.budget.take(what, deadline)
        if self._given_up:
            raise NotSent("the connections to the venue were given up")
        attempt = _Attempt(self._clock, deadline, hold)
        before = _ATTEMPT.set(attempt)
        began = self._clock.monotonic()
        headers = self._headers | ({"Content-Type": "application/json"} if body is not None else {})
        try:
            async with self.session.request(method, url, params=params, data=body, headers=headers, allow_redirects=False) as response:
                answer = Answer(response.status, await response.read())
                self._heed(response)
        except NotSent:
            raise  # too late or held back, which says nothing of the venue
        except OutcomeUnknown as error:
            self.trouble = str(error)
            raise
        except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: what came is not HTTP
            self.trouble = f"{type(error).__name__}: {error}".removesuffix(": ")
            raise (OutcomeUnknown if attempt.written else NotSent)(self.trouble) from error
        finally:
            _ATTEMPT.reset(before)
        self.latency_ms = (self._clock.monotonic() - began) * 1000
        self.trouble = answer.shown() if answer.status >= 500 else ""
        return answer

    def _heed(self, response: ClientResponse) -> None:
        """A venue that says "later" is taken at its word, by everything that shares the budget."""
        said = response.headers.get("Retry-After")
        if response.status == 429 or (said and response.status == 503):
            self.budget.pause(min(LONGEST_PAUSE_S, retry_after_s(said, self._clock.now_ns() / 1e9)))


def retry_after_s(said: str | None, now_s: float) -> float:
    """Seconds of a Retry-After header, which holds seconds or a date; PAUSE_S when it holds neither."""
    try:
        return max(0.0, float(said or ""))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(said or "").timestamp() - now_s)
    except ValueError:
        return PAUSE_S
