"""What every service measures of itself: whether its servers answer, whether its clock is right, how late its event loop is."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from libs.common import metrics
from libs.common.bus import MemoryBus, RedisBus
from libs.common.clocks import SECOND, HostClock
from libs.common.database import Database, Unreachable
from libs.common.http import Readiness

PROBE_S: Final = 1.0
ANSWER_WITHIN_S: Final = 3.0  # a server that is frozen accepts connections and says nothing
LAG_EVERY_S: Final = 0.25
LAG_WINDOW: Final = 20  # looks, which take five seconds or longer

Sleep = Callable[[float], Awaitable[object]]


async def probe(name: str, database: Database | None, bus: RedisBus | MemoryBus | None, readiness: Readiness, clock: HostClock) -> None:
    """Looks at the dependencies each second, apart from the work, so that /ready never waits. None: not one of its own."""
    while True:
        await look(name, database, bus, readiness, clock)
        await asyncio.sleep(PROBE_S)


async def look(name: str, database: Database | None, bus: RedisBus | MemoryBus | None, readiness: Readiness, clock: HostClock) -> None:
    """One look at Postgres, its clock and Redis."""
    if database is not None:
        await _look_at_postgres(name, database, readiness, clock)
    if bus is not None:
        await _look_at_redis(name, bus, readiness)
    metrics.UP.labels(service=name).set(readiness.ready)


async def _look_at_postgres(name: str, database: Database, readiness: Readiness, clock: HostClock) -> None:
    started, asked_ns = clock.monotonic(), clock.now_ns()
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            rows = await database.fetch("select (extract(epoch from clock_timestamp()) * 1000000000)::int8")
    except Unreachable as error:
        readiness.set("postgres", False, str(error))
    except TimeoutError:
        readiness.set("postgres", False, f"no answer within {ANSWER_WITHIN_S:g} s")
    else:
        metrics.CLOCK_SKEW.labels(service=name).set(skew_s(asked_ns, clock.now_ns(), rows[0][0]))
        readiness.set("postgres", True, "", round((clock.monotonic() - started) * 1000, 2))
    metrics.SERVER_REACHED.labels(service=name, server="postgres").set(readiness.ok("postgres"))


async def _look_at_redis(name: str, bus: RedisBus | MemoryBus, readiness: Readiness) -> None:
    if not bus.reachable:  # perhaps nothing was sent yet: a service that begins has said nothing
        bus.reachable = not await bus.ask()
    readiness.set("redis", bus.reachable, "" if bus.reachable else "unreachable")
    metrics.SERVER_REACHED.labels(service=name, server="redis").set(readiness.ok("redis"))


def skew_s(asked_ns: int, answered_ns: int, theirs_ns: int) -> float:
    """Our clock less theirs, seconds. They are taken to have looked midway between question and answer: wrong by half the
    round trip at most (Cristian, 1989)."""
    return ((asked_ns + answered_ns) / 2 - theirs_ns) / SECOND


async def lateness(name: str, clock: HostClock, sleep: Sleep = asyncio.sleep) -> None:
    """Shows the longest wait of a timer beyond its time, over the last five seconds.

    While the loop is held up nothing of this runs, and nobody can ask; the wait shows once it is over, for five seconds.
    """
    shown = metrics.EVENT_LOOP_LAG.labels(service=name)
    waits: deque[float] = deque(maxlen=LAG_WINDOW)
    while True:
        due = clock.monotonic() + LAG_EVERY_S
        await sleep(LAG_EVERY_S)
        waits.append(max(0.0, clock.monotonic() - due))
        shown.set(max(waits))
