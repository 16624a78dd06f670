import asyncio
from typing import Any

import pytest
from prometheus_client import REGISTRY

from libs.common import vitals
from libs.common.bus import MemoryBus
from libs.common.clocks import SystemClock
from libs.common.database import Database, Unreachable
from libs.common.http import Readiness
from tests.factories import SECOND, HandClock


def shown(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


class Server(Database):
    """A database whose clock is ahead of ours, and whose answers take their time."""

    def __init__(self, host: HandClock, ahead_s: float = 0.0, takes_s: float = 0.0) -> None:
        super().__init__("", "test")
        self.host, self.ahead_s, self.takes_s = host, ahead_s, takes_s
        self.away = False

    async def fetch(self, query: Any, params: Any = (), *, plan_once: bool = False) -> list[tuple[Any, ...]]:
        if self.away:
            raise Unreachable("gone")
        self.host.move(self.takes_s / 2)
        theirs = self.host.now_ns() + int(self.ahead_s * SECOND)
        self.host.move(self.takes_s / 2)
        return [(theirs,)]


async def looked(server: Server, name: str) -> Readiness:
    readiness = Readiness("postgres", "redis")
    await vitals.look(name, server, MemoryBus(), readiness, server.host)
    return readiness


@pytest.mark.parametrize("ahead_s", [0.0, 2.0, -0.5])
async def test_the_clock_skew_leaves_out_the_way_there_and_back(ahead_s: float) -> None:
    readiness = await looked(Server(HandClock(), ahead_s, takes_s=0.8), "skewed")
    assert shown("tradewinds_clock_skew_seconds", service="skewed") == pytest.approx(-ahead_s, abs=1e-6)
    assert readiness.ready


async def test_a_server_that_cannot_be_reached_is_counted_as_such_and_the_skew_stays() -> None:
    server = Server(HandClock(), ahead_s=3.0)
    await looked(server, "cut off")
    server.away = True
    readiness = await looked(server, "cut off")
    assert shown("tradewinds_server_reached", service="cut off", server="postgres") == 0
    assert shown("tradewinds_server_reached", service="cut off", server="redis") == 1
    assert shown("tradewinds_service_ready", service="cut off") == 0
    assert shown("tradewinds_clock_skew_seconds", service="cut off") == pytest.approx(-3.0)
    assert readiness.shown()["postgres"]["detail"] == "gone"


async def test_a_server_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Frozen(Server):
        async def fetch(self, query: Any, params: Any = (), *, plan_once: bool = False) -> list[tuple[Any, ...]]:
            await asyncio.Event().wait()
            raise AssertionError

    monkeypatch.setattr(vitals, "ANSWER_WITHIN_S", 0.01)
    readiness = await looked(Frozen(HandClock()), "waiting")
    assert readiness.shown()["postgres"]["detail"] == "no answer within 0.01 s"
    assert shown("tradewinds_server_reached", service="waiting", server="postgres") == 0


class Timers:
    """A loop whose timers are late by these seconds, one after another; then it is over."""

    def __init__(self, clock: HandClock, late: list[float]) -> None:
        self.clock, self.late = clock, iter(late)

    async def sleep(self, seconds: float) -> None:
        late = next(self.late, None)
        if late is None:
            raise asyncio.CancelledError
        self.clock.move(seconds + late)


@pytest.mark.parametrize(
    ("late", "longest"),
    [([0.0], 0.0), ([0.01, 0.7, 0.02], 0.7), ([0.7] + [0.01] * 19, 0.7), ([0.7] + [0.01] * 20, 0.01)],
    ids=["on time", "the longest counts", "still within five seconds", "forgotten after five seconds"],
)
async def test_the_longest_wait_of_the_last_five_seconds_is_shown(late: list[float], longest: float) -> None:
    clock = HandClock()
    with pytest.raises(asyncio.CancelledError):
        await vitals.lateness("late", clock, Timers(clock, late).sleep)
    assert shown("tradewinds_event_loop_lag_seconds", service="late") == pytest.approx(longest, abs=1e-9)


async def test_against_a_real_postgres_on_this_machine_there_is_next_to_no_skew(database_url: str) -> None:
    database = Database(database_url, "test")
    await vitals.look("real", database, MemoryBus(), Readiness("postgres", "redis"), SystemClock())
    await database.close()
    skew = shown("tradewinds_clock_skew_seconds", service="real")
    assert skew is not None
    assert abs(skew) < 0.5
