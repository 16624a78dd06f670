"""A bug planted in an adapter's feed turns its conformance red: a check that cannot fail checks nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import nullcontext
from itertools import groupby
from operator import itemgetter
from typing import Any

import pytest

from libs.domain.market import TradeTick
from libs.venues.alpaca import feed as alpaca_feed
from libs.venues.alpaca.feed import AlpacaFeed
from libs.venues.alpaca.ticks import Timeline
from libs.venues.ccxt_venue import feed as ccxt_feed
from libs.venues.ccxt_venue.binance_market import BinanceMarket
from libs.venues.ccxt_venue.feed import CcxtFeed
from libs.venues.ccxt_venue.trade_line import NumberedLine
from libs.venues.feed import FeedStep
from libs.venues.freshness import Freshness
from tests.conformance import feed_checks as checks
from tests.conformance import feed_rigs
from tests.conformance.feed_rigs import KINDS, FeedRig, Kind, a_feed_rig
from tests.conformance.rigs import a_venue_for
from tests.sim_venues import SimVenue

Patch = pytest.MonkeyPatch
Check = Callable[[FeedRig], Awaitable[None]]


_late: list[asyncio.Task[None]] = []


def late(work: Coroutine[Any, Any, None]) -> None:
    """Does it some time later, and not when the test is over."""

    async def do() -> None:
        try:
            await asyncio.sleep(0.2)
            await work
        finally:
            work.close()

    _late.append(asyncio.create_task(do()))


# --- Alpaca


def believes_every_tick(patch: Patch) -> None:
    patch.setattr(Timeline, "_admit", lambda self, tick: True)


def gives_steps_at_their_own_time(patch: Patch) -> None:
    patch.setattr(Timeline, "_admit", lambda self, tick: True)
    patch.setattr(Timeline, "_step", lambda self, time, events: FeedStep(time, events))


def does_not_refill(patch: Patch) -> None:
    async def nothing(self: AlpacaFeed, waiting: object) -> None: ...

    patch.setattr(AlpacaFeed, "_refill", nothing)


def refills_after_it_says_that_it_is_up(patch: Patch) -> None:
    refill = AlpacaFeed._refill

    async def later(self: AlpacaFeed, waiting: Any) -> None:
        late(refill(self, waiting))

    patch.setattr(AlpacaFeed, "_refill", later)


def refills_from_the_beginning(patch: Patch) -> None:
    steps = AlpacaFeed.steps

    def from_the_beginning(self: AlpacaFeed, after: int) -> AsyncIterator[FeedStep]:
        return steps(self, self.start - 3600 * 10**9)

    patch.setattr(AlpacaFeed, "steps", from_the_beginning)


def never_gives_a_socket_up(patch: Patch) -> None:
    patch.setattr(Freshness, "left_s", lambda self: 3600.0)


def waits_for_an_answer_for_ever(patch: Patch) -> None:
    from libs.venues.alpaca.socket import Socket

    patch.setattr(Socket, "answering", lambda self: nullcontext())


def takes_silence_for_death(patch: Patch) -> None:
    from libs.venues.alpaca.socket import Socket

    hear = Socket.hear

    async def without_asking(self: Socket, probe: object = None) -> bytes:
        return await hear(self)

    patch.setattr(Socket, "hear", without_asking)


def connects_once(patch: Patch) -> None:
    async def once(connection: Callable[[], Awaitable[None]], broken: Callable[[Exception], None], *_: object) -> None:
        try:
            await connection()
        except Exception as error:
            broken(error)
        await asyncio.Event().wait()

    for module in (alpaca_feed, ccxt_feed):
        patch.setattr(module, "reconnecting", once)


# --- ccxt


def passes_trades_on_as_they_come(patch: Patch) -> None:
    def add(self: NumberedLine, number: int, trade: TradeTick) -> Iterator[TradeTick]:
        yield trade

    patch.setattr(NumberedLine, "add", add)


def gives_trades_at_their_own_time(patch: Patch) -> None:
    passes_trades_on_as_they_come(patch)

    def steps(self: CcxtFeed, last: int) -> Iterator[FeedStep]:
        came, self._came = self._came, []
        for time, placed in groupby(came, key=itemgetter(0)):
            yield FeedStep(time, [self._numbered(event) for *_, event in placed])

    patch.setattr(CcxtFeed, "_steps", steps)


def does_not_miss_a_number(patch: Patch) -> None:
    patch.setattr(NumberedLine, "gap", lambda self: False)


def does_not_ask_for_trades(patch: Patch) -> None:
    async def settle(self: BinanceMarket, symbol: str, since: int) -> None:
        for due in self._lines[symbol].settle():
            self._tape.trade(due, refilled=True)

    patch.setattr(BinanceMarket, "_refill", settle)


def is_up_before_it_has_asked(patch: Patch) -> None:
    refill = BinanceMarket.refill

    async def later(self: BinanceMarket, since: int) -> None:
        late(refill(self, since))

    patch.setattr(BinanceMarket, "refill", later)


def asks_from_the_beginning(patch: Patch) -> None:
    refill = BinanceMarket.refill

    async def all_of_it(self: BinanceMarket, since: int) -> None:
        await refill(self, since - 3600 * 10**9)

    patch.setattr(BinanceMarket, "refill", all_of_it)


def never_looks_at_its_sockets(patch: Patch) -> None:
    async def forever(self: BinanceMarket) -> None:
        await asyncio.Event().wait()

    patch.setattr(BinanceMarket, "_stay_sure", forever)


def does_not_ask_whether_anybody_is_there(patch: Patch) -> None:
    patch.setattr(feed_rigs, "PROBE_S", feed_rigs.MUTE_AFTER_S)


def lets_nonsense_through(patch: Patch) -> None:
    def tap(self: BinanceMarket, message: Any, url: str) -> bool:
        if (symbol := self._symbols.get(str(message.get("s")))) is not None:
            self._take(message, symbol)
        return True

    patch.setattr(BinanceMarket, "tap", tap)


TRAPS: list[tuple[str, Callable[[Patch], None], Check]] = [
    ("alpaca", believes_every_tick, checks.skips_what_came_twice),
    ("alpaca", gives_steps_at_their_own_time, checks.stays_in_order_when_frames_do_not),
    ("alpaca", does_not_refill, checks.asks_for_what_a_lost_socket_did_not_tell),
    ("alpaca", does_not_refill, checks.finds_a_venue_that_was_away),
    ("alpaca", refills_after_it_says_that_it_is_up, checks.is_up_only_once_it_has_told_what_it_missed),
    ("alpaca", refills_from_the_beginning, checks.begins_after_a_moment_as_if_it_had_never_stopped),
    ("alpaca", never_gives_a_socket_up, checks.notices_a_socket_that_has_fallen_silent),
    ("alpaca", waits_for_an_answer_for_ever, checks.connects_again_when_the_answers_to_its_requests_are_lost),
    ("alpaca", takes_silence_for_death, checks.keeps_its_socket_while_nothing_happens),
    ("alpaca", connects_once, checks.is_not_ended_by_garbage),
    ("alpaca", connects_once, checks.asks_for_what_a_lost_socket_did_not_tell),
    ("ccxt", passes_trades_on_as_they_come, checks.skips_what_came_twice),
    ("ccxt", gives_trades_at_their_own_time, checks.stays_in_order_when_frames_do_not),
    ("ccxt", does_not_miss_a_number, checks.goes_on_after_a_lost_frame),
    ("ccxt", does_not_ask_for_trades, checks.asks_for_what_a_lost_socket_did_not_tell),
    ("ccxt", does_not_ask_for_trades, checks.finds_a_venue_that_was_away),
    ("ccxt", is_up_before_it_has_asked, checks.is_up_only_once_it_has_told_what_it_missed),
    ("ccxt", asks_from_the_beginning, checks.begins_after_a_moment_as_if_it_had_never_stopped),
    ("ccxt", never_looks_at_its_sockets, checks.notices_a_socket_that_has_fallen_silent),
    ("ccxt", does_not_ask_whether_anybody_is_there, checks.keeps_its_socket_while_nothing_happens),
    ("ccxt", lets_nonsense_through, checks.is_not_ended_by_garbage),
    ("ccxt", connects_once, checks.asks_for_what_a_lost_socket_did_not_tell),
]


@pytest.mark.parametrize(
    ("kind", "plant", "check"), [pytest.param(*trap, id=f"{trap[0]}-{trap[1].__name__}-{trap[2].__name__}") for trap in TRAPS]
)
async def test_a_planted_bug_is_found(kind: str, plant: Callable[[Patch], None], check: Check, monkeypatch: Patch) -> None:
    async with a_venue_for(kind) as venue:
        plant(monkeypatch)
        with pytest.raises((AssertionError, TimeoutError)):
            await played(check, KINDS[kind], venue)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("check", checks.LONG_CHECKS, ids=lambda check: str(check.__name__))
async def test_without_a_planted_bug_what_takes_long_holds_as_well(kind: str, check: Check) -> None:
    async with a_venue_for(kind) as venue:
        await played(check, KINDS[kind], venue)


async def played(check: Check, kind: Kind, venue: SimVenue) -> None:
    async with a_feed_rig(kind, venue) as rig:
        try:
            await check(rig)
        finally:
            for task in _late:
                task.cancel()
            await asyncio.gather(*_late, return_exceptions=True)
            _late.clear()
