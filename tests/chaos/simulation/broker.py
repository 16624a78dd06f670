"""A `Broker` over a network that loses, delays and repeats: what an adapter has to make of it, and no more."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from libs.common.clocks import HostClock
from libs.domain.orders import Order, VenueOrder
from libs.domain.trades import Fill
from libs.venues.broker import Abilities, Adjustment, Hold, Holdings, Link, NotSent, OrderReport, OutcomeUnknown, Refused, Report, unheld
from tests.chaos.simulation.loop import Dead, Process, VirtualLoop
from tests.chaos.simulation.story import Story
from tests.chaos.simulation.venue import SimVenue

T = TypeVar("T")
ANSWER_WITHIN_S = 5.0


@dataclass
class Weather:
    """How often what goes wrong between host and venue, and when the venue is away."""

    lost_request: float = 0.0  # an order is lost on its way
    lost_answer: float = 0.0  # taken, and nobody hears of it
    late_request: float = 0.0  # it arrives, long after its sender has given up
    late_by_s: float = 90.0  # at most
    not_sent: float = 0.0  # no connection can be made
    refused: float = 0.0
    connects_in_s: float = 0.02  # at most
    lost_cancel: float = 0.0
    lost_cancel_answer: float = 0.0
    failed_read: float = 0.0
    lost_report: float = 0.0
    doubled_report: float = 0.0
    late_report: float = 0.0
    away: tuple[tuple[float, float], ...] = ()

    def is_away(self, now: float) -> bool:
        return any(since <= now < until for since, until in self.away)


class Wires:
    """All connections to the venue, of all processes."""

    def __init__(
        self, loop: VirtualLoop, venue: SimVenue, weather: Weather, random: Random, story: Story, *, good_till_date: bool, dead_man: bool
    ) -> None:
        self.loop = loop
        self.venue = venue
        self.weather = weather
        self.random = random
        self.story = story
        self.good_till_date = good_till_date
        self.dead_man = dead_man
        self.on_the_way: dict[str, int] = {}  # order requests that have left a host and not reached the venue yet
        self.left: Callable[[Process, Order, bool], None] = lambda process, order, frozen_meanwhile: None

    def hits(self, share: float) -> bool:
        return share > 0 and self.random.random() < share


class SimBroker:
    """One process's adapter."""

    def __init__(self, wires: Wires, process: Process, clock: HostClock) -> None:
        self.abilities = Abilities(cancel_all=True, dead_man=wires.dead_man, good_till_date=wires.good_till_date, absence_is_proof=False)
        self.hold: Hold = unheld
        self._wires = wires
        self._process = process
        self._clock = clock
        self._news: list[Report] = []
        self._rung = asyncio.Event()
        self._last_arrival = 0.0
        self._missed = False
        self._closed = False

    # --- orders

    async def submit(self, order: Order, deadline: float) -> None:
        wires = self._wires
        await self._pause(wires.weather.connects_in_s)
        if wires.weather.is_away(wires.loop.now) and wires.hits(0.5) or wires.hits(wires.weather.not_sent):
            raise NotSent("no connection")
        if self._clock.monotonic() > deadline:
            raise NotSent(f"deadline of {order.client_order_id} has passed")
        if why := self.hold(order):
            raise NotSent(why)
        freezes = self._process.freezes
        await asyncio.sleep(0)  # between that look and the socket's write a process can be stopped, and nothing can be done about it
        self._alive()
        wires.left(self._process, order, self._process.freezes > freezes)
        answer: asyncio.Future[str] = wires.loop.create_future()
        wires.on_the_way[order.client_order_id] = wires.on_the_way.get(order.client_order_id, 0) + 1
        self._send(order, answer)
        wires.loop.later(ANSWER_WITHIN_S, _silence, answer)
        reason = await answer
        if reason:
            raise Refused(reason)

    async def submit_oco(self, orders: Sequence[Order], deadline: float) -> None:
        raise NotSent("this venue takes no pairs")

    async def replace(self, client_order_id: str, order: Order, deadline: float) -> None:
        raise NotSent("this venue replaces nothing")

    def _send(self, order: Order, answer: "asyncio.Future[str]") -> None:
        wires, weather = self._wires, self._wires.weather
        delay = wires.random.random() * 0.05
        if wires.hits(weather.late_request):
            delay = wires.random.random() * weather.late_by_s
            wires.story.tell("request is late", order.client_order_id, f"{delay:.1f}")
        lost = wires.hits(weather.lost_request) or weather.is_away(wires.loop.now)
        wires.loop.later(delay, self._arrive, order, answer, lost)

    def _arrive(self, order: Order, answer: "asyncio.Future[str]", lost: bool) -> None:
        wires, weather = self._wires, self._wires.weather
        wires.on_the_way[order.client_order_id] -= 1
        if lost:
            wires.story.tell("request is lost", order.client_order_id)
            return
        if wires.hits(weather.refused):
            wires.venue.refuse(order.client_order_id)
            reason = "not today"
        else:
            reason = wires.venue.submit(order, good_till_date=wires.good_till_date)
        if wires.hits(weather.lost_answer):
            wires.story.tell("answer is lost", order.client_order_id)
        else:
            wires.loop.later(wires.random.random() * 0.05, _say, answer, reason)

    async def cancel(self, client_order_id: str) -> None:
        wires = self._wires
        await self._pause(0.02)
        wires.story.tell("cancel leaves", self._process.name, client_order_id)
        if wires.weather.is_away(wires.loop.now) or wires.hits(wires.weather.lost_cancel):
            await self._pause(ANSWER_WITHIN_S)
            raise OutcomeUnknown("no answer to the cancel")
        answer: asyncio.Future[str] = wires.loop.create_future()
        wires.loop.later(wires.random.random() * 0.05, self._end, client_order_id, answer)
        wires.loop.later(ANSWER_WITHIN_S, _silence, answer)
        reason = await answer
        if reason:
            raise Refused(reason)

    def _end(self, client_order_id: str, answer: "asyncio.Future[str]") -> None:
        wires = self._wires
        reason = wires.venue.cancel(client_order_id)
        wires.story.tell("venue cancels", client_order_id, reason)
        if not wires.hits(wires.weather.lost_cancel_answer):
            wires.loop.later(wires.random.random() * 0.05, _say, answer, reason)

    async def cancel_all(self) -> None:
        await self._pause(0.02)
        self._wires.venue.cancel_all()

    async def dead_man(self, after_s: float) -> None:
        wires = self._wires
        await self._pause(0.02)
        if wires.weather.is_away(wires.loop.now) or wires.hits(wires.weather.failed_read):
            raise OutcomeUnknown("no answer")
        wires.venue.ends_all_at = wires.loop.now + after_s if after_s else None

    # --- reads

    async def find(self, client_order_id: str) -> VenueOrder | None:
        venue = self._wires.venue
        return await self._read(lambda: venue.order(venue.seen(), client_order_id))

    async def open_orders(self) -> Sequence[VenueOrder]:
        venue = self._wires.venue
        return await self._read(lambda: venue.open_orders(venue.seen()))

    async def fills_since(self, executed_at: int) -> Sequence[Fill]:
        venue = self._wires.venue
        return await self._read(lambda: venue.fills(venue.seen(), executed_at))

    async def adjustments(self) -> Sequence[Adjustment]:
        return []

    async def holdings(self) -> Holdings:
        venue = self._wires.venue
        return await self._read(lambda: venue.holdings(venue.seen()))

    async def _read(self, question: Callable[[], T]) -> T:
        wires = self._wires
        await self._pause(0.02)
        if wires.weather.is_away(wires.loop.now) or wires.hits(wires.weather.failed_read):
            raise OutcomeUnknown("no answer")
        found = question()
        await self._pause(0.02)
        return found

    # --- the connection

    async def connect(self) -> None:
        if self._wires.weather.is_away(self._wires.loop.now):
            raise OutcomeUnknown("no connection")
        self._wires.venue.listeners.append(self._hear)

    async def disconnect(self) -> None:
        self._alive()
        self._closed = True
        if self._hear in self._wires.venue.listeners:
            self._wires.venue.listeners.remove(self._hear)

    def link(self) -> Link:
        up = not self._wires.weather.is_away(self._wires.loop.now)
        return Link(up, "" if up else "no answer", None, None, None)

    async def next_reports(self) -> Sequence[Report]:
        while not self._news:
            self._rung.clear()
            await self._rung.wait()
        taken, self._news = self._news, []
        return taken

    def _hear(self, report: Report) -> None:
        """A frame of the stream sets out."""
        wires, weather = self._wires, self._wires.weather
        now = wires.loop.now
        if weather.is_away(now):
            if not self._missed:
                self._missed = True
                back = max(until for since, until in weather.away if since <= now < until)
                wires.loop.later(back - now + 0.1, self._again)
            return
        if wires.hits(weather.lost_report):
            wires.story.tell("report is lost", *report[:2] if isinstance(report, OrderReport) else ("fill",))
            return
        fill = isinstance(report, Fill)  # ends and acceptances keep the venue's order, as the port promises; a fill may come whenever
        if fill and wires.hits(weather.late_report):
            wires.loop.later(wires.random.random() * 20.0, self._arrived, report)
        else:
            self._last_arrival = max(self._last_arrival, now + wires.random.random() * 0.03)
            wires.loop.later(self._last_arrival - now, self._arrived, report)
        if wires.hits(weather.doubled_report):
            again_s = wires.random.random() * 5.0 if fill else self._last_arrival - now
            wires.loop.later(again_s, self._arrived, report)

    def _again(self) -> None:
        """Connected again: an adapter tells what its stream may have missed, as far as it can be read."""
        self._missed = False
        venue = self._wires.venue
        for fill in venue.fills(venue.seen()):
            self._arrived(fill)

    def _arrived(self, report: Report) -> None:
        if self._process.alive and not self._closed:
            self._news.append(report)
            self._rung.set()

    # ---

    async def _pause(self, most_s: float) -> None:
        self._alive()
        await asyncio.sleep(self._wires.random.random() * most_s)

    def _alive(self) -> None:
        if not self._process.alive:
            raise Dead


def _say(answer: "asyncio.Future[str]", reason: str) -> None:
    if not answer.done():
        answer.set_result(reason)


def _silence(answer: "asyncio.Future[str]") -> None:
    if not answer.done():
        answer.set_exception(OutcomeUnknown(f"no answer within {ANSWER_WITHIN_S:g} s"))
