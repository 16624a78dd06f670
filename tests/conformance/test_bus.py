"""What every bus must do: the one inside a process as well as the one over a real server."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fleet.embedded.valkey import EmbeddedValkey
from libs.common import bus as bus_module
from libs.common import metrics
from libs.common.bus import MAX_MESSAGE, Bus, MemoryBus, RedisBus
from libs.common.consumer import Bell
from tests.waiting import until

SOON = 10.0


class Ear:
    """What one listener heard. Bytes that begin with "bad" make it raise."""

    def __init__(self) -> None:
        self._heard: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self._joined = asyncio.Semaphore(0)

    def hear(self, channel: str, payload: bytes) -> None:
        if payload.startswith(b"bad"):
            raise ValueError("a malformed message")
        self._heard.put_nowait((channel, payload))

    def joined(self) -> None:
        self._joined.release()

    async def next(self) -> tuple[str, bytes]:
        async with asyncio.timeout(SOON):
            return await self._heard.get()

    async def next_joined(self) -> None:
        async with asyncio.timeout(SOON):
            await self._joined.acquire()

    def nothing_more(self) -> bool:
        return self._heard.empty()


@asynccontextmanager
async def listening(bus: Bus, *patterns: str) -> AsyncIterator[Ear]:
    ear = Ear()
    task = asyncio.create_task(bus.listen(patterns, ear.hear, ear.joined))
    try:
        await ear.next_joined()
        yield ear
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(params=["memory", "redis"])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    if request.param == "memory":
        yield MemoryBus()
        return
    redis = RedisBus(request.getfixturevalue("redis_url"))
    yield redis
    await redis.close()


async def test_a_listener_hears_its_patterns_and_nothing_else(bus: Bus) -> None:
    async with listening(bus, "signals.*", "orders.updates") as ear:
        channels = ["signals.fast", "orders.approved", "orders.updates", "signals", "market_data.ALFA", "signals.slow"]
        assert await bus.publish([(channel, b"[]") for channel in channels])
        assert [(await ear.next())[0] for _ in range(3)] == ["signals.fast", "orders.updates", "signals.slow"]
        assert ear.nothing_more()


async def test_messages_come_in_the_order_in_which_they_were_sent(bus: Bus) -> None:
    sent = [(f"c.{n % 3}", b"%d" % n) for n in range(200)]
    async with listening(bus, "c.*") as ear:
        assert await bus.publish(sent[:150])
        for message in sent[150:]:
            assert await bus.publish([message])
        assert [await ear.next() for _ in sent] == sent


async def test_every_listener_hears_every_message(bus: Bus) -> None:
    async with listening(bus, "c.*") as one, listening(bus, "c.x") as other:
        await bus.publish([("c.x", b"1")])
        assert await one.next() == await other.next() == ("c.x", b"1")


async def test_what_was_said_before_joining_is_gone(bus: Bus) -> None:
    await bus.publish([("c.x", b"before")])
    async with listening(bus, "c.*") as ear:
        await bus.publish([("c.x", b"after")])
        assert await ear.next() == ("c.x", b"after")


async def test_publishing_nothing_or_to_nobody_is_fine(bus: Bus) -> None:
    assert await bus.publish([])
    assert await bus.publish([("nobody.listens", b"1")])


async def test_a_bell_rung_through_the_bus_wakes_its_waiter(bus: Bus) -> None:
    bell = Bell()
    task = asyncio.create_task(bus.listen(["c.*"], lambda channel, payload: bell.ring(), bell.ring))
    async with asyncio.timeout(SOON):
        await bell.wait(SOON)
        await bus.publish([("c.x", b"1")])
        await bell.wait(SOON)
    task.cancel()


@pytest.mark.parametrize("bad", [pytest.param(b"bad", id="malformed"), pytest.param(b"x" * (MAX_MESSAGE + 1), id="oversized")])
async def test_a_bad_message_is_counted_and_dropped_and_the_listener_lives_on(bus: Bus, bad: bytes) -> None:
    counter = metrics.BAD_MESSAGES.labels(channel="c")
    before = counter._value.get()
    async with listening(bus, "c.*") as ear:
        await bus.publish([("c.x", bad), ("c.x", b"good")])
        assert await ear.next() == ("c.x", b"good")
    assert counter._value.get() == before + 1


async def test_a_message_of_the_largest_size_is_heard(bus: Bus) -> None:
    async with listening(bus, "c.*") as ear:
        await bus.publish([("c.x", b"x" * MAX_MESSAGE)])
        assert len((await ear.next())[1]) == MAX_MESSAGE


async def test_a_burst_of_bad_messages_is_logged_once(bus: Bus, caplog: pytest.LogCaptureFixture) -> None:
    bus_module._last_complaint.clear()
    with caplog.at_level(logging.WARNING):
        async with listening(bus, "c.*") as ear:
            await bus.publish([("c.x", b"bad %d" % n) for n in range(100)] + [("c.x", b"good")])
            await ear.next()
    complaints = [record.getMessage() for record in caplog.records if "bad message" in record.getMessage()]
    assert complaints == ["dropped a bad message on c.x: a malformed message; it began with b'bad 0'"]


async def test_a_listener_that_leaves_hears_nothing_more(bus: Bus) -> None:
    async with listening(bus, "c.*") as gone:
        pass
    async with listening(bus, "c.*") as ear:
        await bus.publish([("c.x", b"1")])
        await ear.next()
    assert gone.nothing_more()


class Outage:
    """A server to kill, and its bus."""

    def __init__(self, server: EmbeddedValkey) -> None:
        self.bus = RedisBus(server.url)
        self._server = server

    async def kill(self) -> None:
        await asyncio.to_thread(self._server.kill)

    async def restart(self) -> None:
        await asyncio.to_thread(self._server.start)

    async def publish_when_back(self, *messages: tuple[str, bytes]) -> None:
        await until(lambda: self.bus.reachable)
        assert await self.bus.publish(messages)

    def send(self, number: signal.Signals) -> None:
        assert self._server.pid is not None
        os.kill(self._server.pid, number)


@pytest.fixture
async def outage(valkey: EmbeddedValkey) -> AsyncIterator[Outage]:
    made = Outage(valkey)
    yield made
    if valkey.alive():
        made.send(signal.SIGCONT)
    else:
        await made.restart()
    await made.bus.close()


async def test_while_the_server_is_down_publishing_says_so_at_once_and_works_again_afterwards(outage: Outage) -> None:
    assert await outage.bus.publish([("c.x", b"1")])
    await outage.kill()
    async with asyncio.timeout(1.0):
        assert not await outage.bus.publish([("c.x", b"2")])
        assert not await outage.bus.publish([("c.x", b"3"), ("c.y", b"4")])
    assert not outage.bus.reachable
    await outage.restart()
    await outage.publish_when_back(("c.x", b"5"))
    assert outage.bus.reachable


async def test_a_server_that_hangs_stalls_a_publisher_for_half_a_second_once(outage: Outage) -> None:
    assert await outage.bus.publish([("c.x", b"1")])
    outage.send(signal.SIGSTOP)
    async with asyncio.timeout(1.0):
        for n in range(100):
            assert not await outage.bus.publish([("c.x", b"%d" % n)])


async def test_a_listener_comes_back_after_the_server_was_killed_and_says_that_it_has(outage: Outage) -> None:
    async with listening(outage.bus, "c.*", "d.*") as ear:
        await outage.kill()
        await outage.restart()
        await ear.next_joined()
        await outage.publish_when_back(("c.x", b"1"), ("d.x", b"2"))
        assert [await ear.next(), await ear.next()] == [("c.x", b"1"), ("d.x", b"2")]


async def test_a_listener_starts_before_its_server(outage: Outage) -> None:
    await outage.kill()
    ear = Ear()
    task = asyncio.create_task(outage.bus.listen(["c.*"], ear.hear, ear.joined))
    await outage.restart()
    await ear.next_joined()
    task.cancel()


async def test_a_dead_connection_that_looks_like_silence_is_noticed(outage: Outage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RedisBus, "SILENCE_S", 0.05)
    async with listening(outage.bus, "c.*") as ear:
        failures = metrics.BUS_FAILURES.labels(operation="listen")
        before = failures._value.get()
        outage.send(signal.SIGSTOP)
        await until(lambda: failures._value.get() > before)
        outage.send(signal.SIGCONT)
        await ear.next_joined()


async def test_silence_alone_is_no_failure(outage: Outage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RedisBus, "SILENCE_S", 0.02)
    failures = metrics.BUS_FAILURES.labels(operation="listen")
    before = failures._value.get()
    async with listening(outage.bus, "c.*") as ear:
        await asyncio.sleep(0.15)
        await outage.bus.publish([("c.x", b"1")])
        assert await ear.next() == ("c.x", b"1")
    assert failures._value.get() == before
