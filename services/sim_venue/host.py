"""The venue as it runs: the core behind a log that is flushed before any answer, what can be read of it, and who listens."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple, Protocol, assert_never

import msgspec
from aiohttp import web

from libs.common import metrics
from libs.common.clocks import HostClock
from libs.domain.market import BadRow, MarketEvent
from libs.quant.sim_venue.commands import Command
from libs.quant.sim_venue.exchange import Exchange
from libs.quant.sim_venue.listings import Listing
from libs.quant.sim_venue.reports import Outcome, Report
from libs.quant.sim_venue.view import View
from libs.venues.feed import FeedStep
from services.sim_venue.credentials import Credential
from services.sim_venue.faults import Faults
from services.sim_venue.gaps import gapped
from services.sim_venue.kinds import NUMBER, Origin, What, serves
from services.sim_venue.lines import Lines
from services.sim_venue.log import Arrived, Began, Did, Entry, Granted, Input, Left, OracleLog, Shown, Turned
from services.sim_venue.readers import Audience, LateView
from services.sim_venue.requests import Requests
from services.sim_venue.snapshots import Restored
from services.sim_venue.subscriptions import Subscription
from services.sim_venue.tape import Tape

__all__ = ["NUMBER", "Credential", "Dialect", "Host", "Origin", "Subscription", "What", "serves"]

log = logging.getLogger(__name__)

# Children of metrics, found once: prometheus_client takes longer to find one than to count.
_COMMANDS: Final = cache(metrics.SIM_COMMANDS.labels)
_REPORTS: Final = cache(metrics.SIM_REPORTS.labels)

TURNS: Final = 2  # of the event loop before a flush: requests of other clients that came during the last one join this one


class Dialect(Protocol):
    """A wire protocol under a path prefix."""

    name: str
    prefix: str  # "/binance"

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """What it answers, relative to its prefix; handlers are marked by `@serves`."""
        ...

    def fault_answer(self, status: int) -> web.Response:
        """The venue's own body for a status: of the fault knobs 418, 429, 500, 502, 503, 504; of requests that reach no
        handler 404 (no such path), 405, 408 (the body did not come), 413 (it is too large), and 500 for a defect of ours."""
        ...

    async def client_order_id(self, request: web.Request) -> str:
        """The client's id of the order that the request is about, "" when it names none or cannot be read. Must not raise.

        Asked before the handler, of requests that submit, cancel, replace or read orders; the body has been read.
        """
        ...


class Failed(Exception):
    """The venue cannot go on: what it did is perhaps not on disk. The process leaves, and begins again from the log."""


class _Waiting(NamedTuple):
    asked: Input
    done: "asyncio.Future[Outcome]"


class Host:
    """One venue in this process."""

    def __init__(self, listings: Mapping[str, Listing], exchange: Exchange, tape: Tape, seed: int, clock: HostClock) -> None:
        self.listings = listings
        self.exchange = exchange  # written by `execute` and the market only; dialects read `view`
        self.tape = tape
        self.seed = seed
        self.clock = clock
        self.faults = Faults(seed)
        self.lines = Lines(self.faults)
        self.requests = Requests()
        self.leaving = asyncio.Event()
        self.open = False  # whether it does what it is asked: not before its log is read
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.credentials: dict[str, Credential] = {}
        self.written = 0  # lines of the log
        self.log: OracleLog | None = None
        self.time: Callable[[], int] = lambda: self.exchange.now  # the market's clock, set by what plays it
        self._views = LateView(View(listings), clock, lambda: self.faults.weather.read_lag_s)
        self._audience = Audience()
        self._waiting: list[_Waiting] = []

    # --- what dialects read

    def now(self) -> int:
        """Market time, ns: of orders, fills, quotes, bars, sessions."""
        return max(self.time(), self.exchange.now)

    def wire_time_ns(self) -> int:
        """Time of this machine, moved by the knob `clock_skew_ms`: of signatures, recvWindow, `serverTime`, token expiry."""
        return self.clock.now_ns() + int(self.faults.weather.clock_skew_ms * 1_000_000)

    @property
    def view(self) -> View:
        """Accounts, orders and executions; behind by the knob `read_lag_s`."""
        return self._views.seen()

    def credential(self, key: str) -> Credential | None:
        """Whose key it is."""
        return self.credentials.get(key)

    def reports(self, account: str) -> Subscription[Report]:
        """The account's reports from now on, each after it is on disk, all in order."""
        return self._audience.of_account(account)

    def market(self) -> Subscription[Sequence[MarketEvent]]:
        """Quotes and trades from now on, in batches."""
        return self._audience.of_market()

    def listeners(self) -> dict[str, int]:
        """How many listen to each account, "" being the whole venue, and under "market" to the market."""
        return self._audience.counted()

    def unseen(self) -> Iterator[Report]:
        """What the view will know later."""
        return self._views.unseen()

    # --- what comes in

    async def execute(self, command: Command, origin: Origin) -> Outcome:
        """Does it, and returns when command and outcome are on disk. Commands are done in the order of these calls.

        Raises:
            Failed: the log cannot be written; whether the command was done shows when the venue is back.
        """
        return await self.take(Did(origin=origin, command=command))

    async def take(self, asked: Input) -> Outcome:
        """Does whatever can come in, as `execute` does commands. All that wait are done together, with one flush."""
        if not self.open:
            raise Failed("the venue is not open")
        waiting = _Waiting(asked, asyncio.get_running_loop().create_future())
        self._put(waiting)
        return await waiting.done

    def note(self, arrived: Arrived) -> "asyncio.Future[Outcome]":
        """Goes to disk with what is written next, before it; done when it is there."""
        waiting = _Waiting(arrived, asyncio.get_running_loop().create_future())
        self._put(waiting)
        return waiting.done

    async def pause(self, seconds: float) -> None:
        """What a fault knob lets a request or an answer wait; no longer than the venue is there."""
        try:
            async with asyncio.timeout(seconds):
                await self.leaving.wait()
        except TimeoutError:
            pass

    def _put(self, waiting: _Waiting) -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._gather, TURNS)
        self._waiting.append(waiting)

    def _gather(self, turns: int) -> None:
        """Lets the loop turn before the flush."""
        if turns:
            asyncio.get_running_loop().call_soon(self._gather, turns - 1)
        else:
            self._do_waiting()

    def _do_waiting(self) -> None:
        """Everything that has come in since the last time."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        try:
            outcomes = self._do([one.asked for one in waiting])
        except Exception as error:
            self._fail(error)
            for one in waiting:
                if not one.done.cancelled():
                    one.done.set_exception(Failed(str(error)))
                    one.done.exception()  # a note has nobody who would ask
            return
        for one, outcome in zip(waiting, outcomes, strict=True):
            if not one.done.cancelled():
                one.done.set_result(outcome)

    def _do(self, asked: Sequence[Input]) -> list[Outcome]:
        at = self.now()
        reports = self.exchange.hear((), at) if at > self.exchange.now else []
        inputs, outcomes = [], []
        shown: list[MarketEvent] = []
        for one in asked:
            done, outcome = self.apply(one)
            inputs.append(done)
            outcomes.append(outcome)
            reports = [*reports, *outcome.reports] if outcome.reports else reports
            if isinstance(one, Shown):
                shown += gapped(one.events, self.faults.weather.price_gap_bps)
        self._write(inputs, reports)
        self._publish(reports)
        self._audience.show(shown)
        return outcomes

    def apply(self, asked: Input) -> tuple[Input, Outcome]:
        """Lets an input have its effect, and gives it as the log keeps it: with what it led to."""
        outcome = Outcome([])
        match asked:
            case Did():
                outcome = self.exchange.execute(asked.command)
                became = outcome.refusal.code if outcome.refusal else "done"
                _COMMANDS(command=type(asked.command).__name__, outcome=became).inc()
                asked = msgspec.structs.replace(asked, reports=len(outcome.reports), refusal=outcome.refusal)
            case Shown():
                outcome = Outcome(self._hear(asked.events, asked.market_time))
                asked = msgspec.structs.replace(asked, reports=len(outcome.reports))
            case Arrived():
                self.requests.count(asked.what, asked.client_order_id)
                self.requests.n = max(self.requests.n, asked.request)
            case Began() | Left():
                pass
            case Turned():
                self.faults.weather = asked.weather
            case Granted():
                self.credentials[asked.credential.key] = asked.credential
            case _:
                assert_never(asked)
        return asked, outcome

    def hear(self, step: FeedStep) -> None:
        """The market moves on by a step of its feed. Failed: the log cannot be written."""
        try:
            reports = self._hear(step.events, step.time)
            if reports:
                self._write([], reports)
        except Exception as error:
            self._fail(error)
            raise Failed(str(error)) from error
        self._publish(reports)
        self._audience.show(gapped(step.events, self.faults.weather.price_gap_bps))

    def mark(self, *marks: Input) -> None:
        """Writes down how far the market has come."""
        try:
            self._do(marks)
        except Exception as error:
            self._fail(error)
            raise Failed(str(error)) from error

    def restore(self, restored: Restored) -> None:
        """Stands where a snapshot was taken."""
        kept = restored.kept
        self.exchange = restored.exchange
        self._views = LateView(restored.view, self.clock, lambda: self.faults.weather.read_lag_s)
        self.tape.recall(kept.tape, self.exchange.now)
        self.requests.recall(kept.requests, kept.of_ids)
        self.credentials = {credential.key: credential for credential in kept.credentials}
        self.faults.weather = kept.weather
        self.written = kept.n

    def view_of_all(self) -> View:
        """With all reports, also those that readers did not see yet: from now on they do."""
        return self._views.whole()

    def hear_again(self, step: FeedStep) -> list[Report]:
        """A step that was heard before the venue was last stopped."""
        return self._hear(step.events, step.time)

    def _hear(self, events: Sequence[MarketEvent | BadRow], time: int) -> list[Report]:
        heard = gapped(events, self.faults.weather.price_gap_bps)
        self.tape.hear(heard, time)
        return self.exchange.hear(heard, time)

    # --- what goes out

    def _write(self, inputs: list[Input], reports: list[Report]) -> None:
        if self.log is None:
            raise Failed("the log is not open")
        started = self.clock.monotonic()
        self.log.append(Entry(n=self.written + 1, at=self.exchange.now, wall=self.clock.now_ns(), inputs=inputs, reports=reports))
        self.written += 1
        metrics.SIM_FLUSHES.observe(self.clock.monotonic() - started)

    def _publish(self, reports: Sequence[Report]) -> None:
        if reports:
            self._views.add(reports)
            self._audience.tell(reports)
            for report in reports:
                _REPORTS(kind=report.kind).inc()

    def show_again(self, reports: Sequence[Report], age_s: float) -> None:
        """Lets readers see reports of before the venue was last stopped; they are `age_s` old."""
        self._views.add(reports, age_s)

    def _fail(self, error: BaseException) -> None:
        self.open = False
        log.critical("the venue cannot go on: %s", error, exc_info=error)
        if not self.failed.done():
            self.failed.set_exception(Failed(str(error)))

    def leave(self) -> None:
        """Takes nothing more, does what has come in, and writes that it left in order."""
        self.open = False
        self.leaving.set()
        self._do_waiting()
        self.mark(Left())

    @property
    def quiet(self) -> bool:
        """Nothing waits to be done or to be seen."""
        return not self._waiting and not self._views.behind

    def close(self) -> None:
        """Ends what others listen to, and gives up the log."""
        self.open = False
        self.leaving.set()
        self._audience.close()
        self.lines.hang_up()
        if self.log is not None:
            self.log.close()
