"""When accounts are valued: as the market moves, no oftener than four times a second, once for each step of a lockstep."""

import pytest

from libs.common.consumer import Bell
from libs.domain.market import Clock, Phase
from services.portfolio.pace import MARK_EVERY_S, Pace
from tests.factories import NOON, HandClock


class CountingBell(Bell):
    """Counts how often it was rung."""

    def __init__(self) -> None:
        super().__init__()
        self.rings = 0

    def ring(self) -> None:
        self.rings += 1
        super().ring()


def a_clock(step: int = 0, phase: Phase = "free") -> Clock:
    return Clock(session_id="session", market_time=NOON, speed=1.0, closed=[], noticed_ns=0, events=0, step=step, phase=phase)


async def test_a_market_that_has_moved_is_valued_at_once() -> None:
    pace = Pace(HandClock(), Bell(), lockstep=False)
    pace.hear(a_clock())
    assert await pace.next(lambda: NOON + 1, NOON)


async def test_a_market_that_stands_still_is_not_valued_again() -> None:
    pace = Pace(HandClock(), Bell(), lockstep=False)
    looks = 0

    def now() -> int:
        nonlocal looks
        looks += 1
        pace.hear(a_clock())
        if looks == 3:
            pace.end()
        return NOON

    pace.hear(a_clock())
    assert not await pace.next(now, NOON)
    assert looks == 3


async def test_a_quarter_of_a_second_lies_between_two_valuations() -> None:
    host = HandClock()
    pace = Pace(host, Bell(), lockstep=False)
    pace.hear(a_clock())
    await pace.next(lambda: NOON, 0)
    assert pace.rest_s() == MARK_EVERY_S
    host.move(0.2)
    assert pace.rest_s() == pytest.approx(0.05)
    host.move(5.0)
    assert pace.rest_s() == 0.0


async def test_when_it_is_over_nobody_waits() -> None:
    pace = Pace(HandClock(), Bell(), lockstep=False)
    pace.hear(a_clock())
    await pace.next(lambda: NOON, 0)
    pace.end()
    assert not await pace.next(lambda: NOON + 1, NOON)


def test_of_a_lockstep_step_the_second_phase_counts_once() -> None:
    bell = CountingBell()
    pace = Pace(HandClock(), bell, lockstep=True)
    for step, phase in ((1, "venue"), (1, "decide"), (1, "decide"), (2, "venue"), (3, "decide"), (2, "decide")):
        pace.hear(a_clock(step, phase))  # type: ignore[arg-type]
    assert bell.rings == 2
    assert pace.rest_s() == 0.0
