"""What adapters of remote venues share: the account's way in, the request budget, what a mute socket is, connecting again."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.venues.broker import NotSent
from libs.venues.budget import MINUTE_S, Budget, Purpose
from libs.venues.endpoint import Endpoint
from libs.venues.freshness import Freshness, Mute
from libs.venues.reconnecting import Backoff, reconnecting
from libs.venues.tenfold import Tenfold
from tests.factories import HandClock
from tests.scripted_feed import PassingTime


def test_an_endpoint_is_shown_without_its_secret() -> None:
    shown = repr(Endpoint("http://127.0.0.1:9108/alpaca", "PKDEMO", "do-not-show", "paper"))
    assert "PKDEMO" in shown
    assert "do-not-show" not in shown


# --- the request budget


def a_budget(per_minute: int = 10, clock: HandClock | None = None, reserve: float = 0.2) -> Budget:
    clock = clock or PassingTime()
    rest = clock.rest if isinstance(clock, PassingTime) else asyncio.sleep
    return Budget(per_minute, reserve, clock=clock, rest=rest)


async def taken_at_once(budget: Budget, what: Purpose) -> int:
    count = 0
    while budget.wait_s(what) == 0:
        await budget.take(what)
        count += 1
    return count


async def test_reads_leave_a_reserve_to_orders_and_both_leave_one_to_cancels() -> None:
    budget = a_budget(10)
    assert await taken_at_once(budget, "read") == 5
    assert await taken_at_once(budget, "order") == 3
    assert await taken_at_once(budget, "cancel") == 2
    assert budget.left() == 0


async def test_what_orders_have_taken_reads_cannot_take_as_well() -> None:
    budget = a_budget(10)
    assert await taken_at_once(budget, "order") == 8
    assert await taken_at_once(budget, "read") == 0


async def test_however_small_the_budget_something_may_be_read() -> None:
    assert await taken_at_once(a_budget(2, reserve=0.5), "read") == 1


async def test_a_token_comes_back_a_minute_after_it_was_taken() -> None:
    clock = HandClock()
    budget = a_budget(10, clock)
    await taken_at_once(budget, "order")
    clock.move(MINUTE_S - 1)
    assert budget.wait_s("order") == pytest.approx(1)
    clock.move(1)
    assert budget.wait_s("order") == 0
    assert budget.left() == 1


async def test_an_order_waits_for_its_token() -> None:
    clock = PassingTime()
    budget = a_budget(10, clock)
    await taken_at_once(budget, "order")
    before = clock.monotonic()
    await budget.take("order", deadline=before + 2 * MINUTE_S)
    assert clock.monotonic() - before == pytest.approx(MINUTE_S)


async def test_an_order_whose_deadline_would_pass_is_not_sent_and_takes_nothing() -> None:
    clock = HandClock()
    budget = a_budget(10, clock)
    await taken_at_once(budget, "order")
    left = budget.left()
    with pytest.raises(NotSent, match=r"nothing for this order for another 60\.0 s"):
        await budget.take("order", deadline=clock.monotonic() + 5)
    assert budget.left() == left


async def test_a_retry_after_holds_for_everything_and_then_ends() -> None:
    clock = HandClock()
    budget = a_budget(10, clock)
    budget.pause(30)
    budget.pause(3)  # a shorter one takes nothing back
    assert (budget.wait_s("order"), budget.wait_s("cancel"), budget.left()) == (30, 30, 0)
    clock.move(30)
    assert (budget.wait_s("order"), budget.left()) == (0, 1)


async def test_what_weighs_more_takes_more_and_what_never_fits_is_told_at_once() -> None:
    budget = a_budget(10)
    await budget.take("read", cost=5)
    assert budget.left() == 0.5
    assert budget.wait_s("order", cost=4) > 0
    with pytest.raises(ValueError, match="costs at most 5, got 9"):
        budget.wait_s("read", cost=9)


def test_a_budget_that_leaves_nothing_for_orders_is_refused() -> None:
    with pytest.raises(ValueError, match="left for orders"):
        Budget(1, 0.5, clock=HandClock())


asked_for = st.tuples(st.sampled_from(["order", "read", "cancel"]), st.floats(0, 20), st.integers(1, 4))


@settings(max_examples=50)
@given(st.lists(asked_for, max_size=60))
def test_no_minute_ever_sees_more_than_the_limit(requests: list[tuple[Purpose, float, int]]) -> None:
    clock = PassingTime()
    budget = a_budget(10, clock)
    sent: list[tuple[float, int]] = []

    async def send() -> None:
        for what, pause, cost in requests:
            clock.move(pause)
            await budget.take(what, cost=cost)
            sent.append((clock.monotonic(), cost))

    asyncio.run(send())
    for start, _ in sent:
        assert sum(cost for at, cost in sent if start <= at < start + MINUTE_S) <= 10


# --- a mute socket is a dead socket


async def test_a_stream_that_speaks_in_time_is_heard() -> None:
    clock = HandClock()
    freshness = Freshness(clock, mute_after_s=5)
    assert freshness.silent_s() is None

    async def said() -> str:
        return "a fill"

    assert await freshness.hear(said) == "a fill"
    clock.move(2)
    assert (freshness.silent_s(), freshness.left_s()) == (2, 3)


async def test_a_stream_that_says_nothing_is_given_up() -> None:
    clock = HandClock()
    freshness = Freshness(clock, mute_after_s=5)
    freshness.heard()
    clock.move(5)
    with pytest.raises(Mute, match="nothing heard for 5 s"):
        await freshness.hear(asyncio.Event().wait)


# --- what goes on and on


def test_a_count_is_told_at_each_power_of_ten() -> None:
    tenfold = Tenfold()
    assert [count for count in range(1, 2000) if tenfold.due(count)] == [1, 10, 100, 1000]
    assert Tenfold().due(500)


# --- connecting again


class Enough(BaseException):
    """Ends a loop that has no end."""


def venue_that(*ends: Exception | None) -> Callable[[], Awaitable[None]]:
    """Each connection ends in the next of these; None is a connection that was closed."""
    left = list(ends)

    async def connection() -> None:
        if not left:
            raise Enough
        if end := left.pop(0):
            raise end

    return connection


async def test_every_end_is_told_and_followed_by_another_connection() -> None:
    told: list[str] = []
    with pytest.raises(Enough):
        await reconnecting(
            venue_that(OSError("refused"), None, ValueError("nonsense")),
            lambda error: told.append(str(error)),
            Backoff(),
            PassingTime().rest,
        )
    assert told == ["refused", "the venue closed the connection", "nonsense"]


async def test_pauses_grow_up_to_the_cap_and_begin_anew_once_it_works() -> None:
    backoff = Backoff(first_s=1, most_s=5)
    assert [backoff.next_s() for _ in range(5)] == [1, 2, 4, 5, 5]
    backoff.reset()
    assert backoff.next_s() == 1
