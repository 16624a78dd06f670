"""What every live feed must do. Each check is played against every adapter, and against adapters with a bug planted."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from time import monotonic
from unittest.mock import patch

from libs.domain.market import Quote, TradeTick
from services.sim_venue.lines import Line
from tests.conformance.feed_rigs import MUTE_AFTER_S, FeedRig
from tests.conformance.rigs import eventually


async def tells_what_happens_in_order_and_once(rig: FeedRig) -> None:
    await rig.quote(99.0, 101.0)
    await rig.trades(100.0, 100.5, 101.0)
    await rig.quote(99.5, 101.5)
    await rig.tells(100.0, 100.5, 101.0)
    await rig.until(lambda: rig.quotes()[-1:] == [(99.5, 101.5)], "expected the newest quote")
    in_order(rig)


async def skips_what_came_twice(rig: FeedRig) -> None:
    await rig.fault("duplicate", count=4)
    await rig.trades(100.0, 101.0, 102.0)
    await rig.trades(103.0)
    await rig.tells(100.0, 101.0, 102.0, 103.0)
    in_order(rig)


async def stays_in_order_when_frames_do_not(rig: FeedRig) -> None:
    await rig.trades(100.0)
    await rig.fault("reorder")
    await rig.trades(101.0, 102.0, 103.0)
    await rig.until(lambda: 103.0 in rig.told(), "expected what follows")
    in_order(rig)
    assert Counter(rig.told()) <= Counter([100.0, 101.0, 102.0, 103.0])


async def tells_what_follows_a_late_frame_and_the_late_one_in_no_earlier_place(rig: FeedRig) -> None:
    await rig.trades(100.0)
    await rig.fault("late", seconds=0.1)
    await rig.trades(101.0, 102.0)
    await rig.until(lambda: 102.0 in rig.told(), "expected what follows")
    in_order(rig)
    assert Counter(rig.told()) <= Counter([100.0, 101.0, 102.0])


async def goes_on_after_a_lost_frame(rig: FeedRig) -> None:
    await rig.trades(100.0)
    await rig.tells(100.0)
    await rig.fault("lose")
    await rig.trades(101.0, 102.0)
    await rig.until(lambda: 102.0 in rig.told(), "expected what follows")
    if rig.kind.numbered:
        await rig.tells(100.0, 101.0, 102.0)
    in_order(rig)


async def connects_again_when_the_answers_to_its_requests_are_lost(rig: FeedRig) -> None:
    """The market goes on telling, so that silence does not show it."""
    await rig.trades(100.0)
    await rig.tells(100.0)
    await rig.fault("disconnect")
    await rig.fault("lose", skip=2 if rig.kind.dialect == "alpaca" else 0)  # the one after which ticks come
    price = 100.0

    async def told_more() -> bool:
        nonlocal price
        price += 1.0
        await rig.trades(price)
        return max(rig.told()) > 100.0

    with patch("libs.venues.ccxt_venue.feed.SUBSCRIBED_WITHIN_S", MUTE_AFTER_S):
        await eventually(told_more, lambda: f"{price - 100.0:g} trades later nothing was told")
    in_order(rig)


async def asks_for_what_a_lost_socket_did_not_tell(rig: FeedRig) -> None:
    await rig.trades(100.0)
    await rig.tells(100.0)
    await rig.fault("disconnect")
    await rig.trades(101.0, 102.0, 103.0)
    await rig.tells(100.0, 101.0, 102.0, 103.0)
    await rig.until(lambda: rig.feed.link().up, "expected it to be connected")
    await rig.trades(104.0)
    await rig.tells(100.0, 101.0, 102.0, 103.0, 104.0)
    in_order(rig)
    assert rig.feed.link().reconnects == 1
    assert rig.feed.link().refilled >= 3


async def notices_a_socket_that_has_fallen_silent(rig: FeedRig) -> None:
    await rig.trades(100.0)
    await rig.tells(100.0)
    await rig.fault("mute", count=2)
    await rig.trades(101.0, 102.0)
    await rig.tells(100.0, 101.0, 102.0)
    in_order(rig)


async def keeps_its_socket_while_nothing_happens(rig: FeedRig) -> None:
    await rig.trades(100.0)
    await rig.tells(100.0)
    silent_from = monotonic()
    await rig.until(lambda: monotonic() - silent_from > 1.5 * MUTE_AFTER_S, "time stands still")
    assert rig.feed.link().up
    assert rig.feed.link().reconnects == 0
    await rig.trades(101.0)
    await rig.tells(100.0, 101.0)


GARBAGE: Sequence[str | bytes] = (
    '{"half',
    "[]",
    "null",
    '[{"T":"t","S":"ALFA","p":"x"}]',
    '{"stream":"btcusd@aggTrade","data":{"e":"aggTrade","s":"BTCUSD","p":"x"}}',
    '{"e":"aggTrade","s":"BTCUSD","p":"x"}',
    b"\xff\xfe",
)


async def is_not_ended_by_garbage(rig: FeedRig) -> None:
    for n, frame in enumerate(GARBAGE):
        with before_the_next_frame(frame):
            await rig.trades(100.0 + n)
        await rig.tells(*(100.0 + m for m in range(n + 1)))
    in_order(rig)


async def finds_a_venue_that_was_away(rig: FeedRig) -> None:
    await rig.trades(100.0)
    await rig.tells(100.0)
    await rig.venue.restart()
    await rig.trades(101.0)
    await rig.tells(100.0, 101.0)
    in_order(rig)


async def begins_after_a_moment_as_if_it_had_never_stopped(rig: FeedRig) -> None:
    await rig.trades(100.0, 101.0, 102.0)
    await rig.tells(100.0, 101.0, 102.0)
    after = next(event.ts for step in rig.steps for event in step.events if isinstance(event, TradeTick) and event.price == 101.0)
    await rig.close()
    await rig.trades(103.0)
    await rig.open(after)
    await rig.trades(104.0)
    await rig.tells(102.0, 103.0, 104.0)
    in_order(rig)


async def is_up_only_once_it_has_told_what_it_missed(rig: FeedRig) -> None:
    await rig.trades(100.0)
    await rig.tells(100.0)
    before = rig.feed.link().reconnects
    await rig.fault("disconnect")
    await rig.trades(101.0)
    await rig.until(lambda: rig.feed.link().reconnects > before and rig.feed.link().up, "expected it to be connected")
    await rig.until(lambda: rig.told() == [100.0, 101.0], "expected it to have told all", within_s=0.05)


@contextmanager
def before_the_next_frame(garbage: str | bytes) -> Iterator[None]:
    """The venue, which has no knob for it, says nonsense before it next speaks of its market."""
    send, left = Line.send, [garbage]

    def nonsense_first(line: Line, frame: str | bytes, symbol: str = "") -> None:
        if line._kind == "market" and left:
            line._put(left.pop(), symbol)
        send(line, frame, symbol)

    with patch.object(Line, "send", nonsense_first):
        yield


def in_order(rig: FeedRig) -> None:
    """AssertionError: steps go back in time, or events of a kind are numbered with gaps."""
    assert all(one.time < other.time for one, other in pairwise(rig.steps)), [step.time for step in rig.steps]
    for kind in (TradeTick, Quote):
        numbers = [event.seq for step in rig.steps for event in step.events if isinstance(event, kind)]
        assert numbers == list(range(1, len(numbers) + 1))


CHECKS = (
    tells_what_happens_in_order_and_once,
    skips_what_came_twice,
    stays_in_order_when_frames_do_not,
    tells_what_follows_a_late_frame_and_the_late_one_in_no_earlier_place,
    goes_on_after_a_lost_frame,
    connects_again_when_the_answers_to_its_requests_are_lost,
    asks_for_what_a_lost_socket_did_not_tell,
    notices_a_socket_that_has_fallen_silent,
    is_not_ended_by_garbage,
    finds_a_venue_that_was_away,
    begins_after_a_moment_as_if_it_had_never_stopped,
    is_up_only_once_it_has_told_what_it_missed,
)
LONG_CHECKS = (keeps_its_socket_while_nothing_happens,)
"""Those that consist of waiting: part of `make verify`."""
