"""Traps that order paths have fallen into, each opened again in an adapter: the conformance suite has to turn red.

A check that stays green with its trap open proves nothing, so each trap names the checks that must find it.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from decimal import Decimal
from itertools import count
from typing import Any, Final, NamedTuple

import msgspec
import pytest

from libs.domain.orders import VenueOrder
from libs.domain.trades import Fill
from libs.venues.alpaca import broker as alpaca_broker
from libs.venues.alpaca import outcomes as alpaca_outcomes
from libs.venues.alpaca.broker import AlpacaBroker
from libs.venues.alpaca.reading import Reading
from libs.venues.alpaca.requests import Requests
from libs.venues.broker import NotSent, OrderReport, OutcomeUnknown, Refused, Report, WrongKey
from libs.venues.budget import Budget
from libs.venues.ccxt_venue import broker as ccxt_broker
from libs.venues.ccxt_venue import calls as ccxt_calls
from libs.venues.ccxt_venue import reports as ccxt_reports
from libs.venues.ccxt_venue.broker import CcxtBroker
from libs.venues.ccxt_venue.calls import Calls
from libs.venues.ccxt_venue.reports import Reports
from libs.venues.freshness import Freshness
from tests.conformance.broker_faults import CHECKS
from tests.conformance.rigs import REMOTE, a_remote_rig, a_venue_for
from tests.sim_venues import SimVenue

Patch = pytest.MonkeyPatch

BROKERS: Final[dict[str, type[Any]]] = {"alpaca": AlpacaBroker, "ccxt": CcxtBroker}
_accounts = count(1)


class Trap(NamedTuple):
    """A bug, and what must find it."""

    open: Callable[[Patch, str], None]  # in the adapter of that name
    found_by: tuple[str, ...]
    only: str = ""  # "": in every adapter


def wrapped(patch: Patch, owner: Any, name: str, around: Callable[[Any], Any]) -> None:
    """Puts `around(what is there)` in its place."""
    patch.setattr(owner, name, around(getattr(owner, name)))


# --- requests


def retried(patch: Patch, kind: str) -> None:
    """What alpaca-py does by itself, and ccxt once `maxRetriesOnFailure` is set."""
    if kind == "ccxt":

        def eager(make: Any) -> Any:
            def made(*args: Any) -> Any:
                exchange = make(*args)
                exchange.options |= {"maxRetriesOnFailure": 3, "maxRetriesOnFailureDelay": 0}
                return exchange

            return made

        wrapped(patch, ccxt_broker, "make_exchange", eager)
        return

    def again(send: Any) -> Any:
        async def sent(*args: Any, **how: Any) -> Any:
            answer = await send(*args, **how)
            return await send(*args, **how) if answer.status >= 500 else answer

        return sent

    wrapped(patch, Requests, "send", again)


def answering(outcome: type[Exception]) -> Callable[[Patch, str], None]:
    """Whatever goes wrong with an order is taken for one and the same outcome."""

    def opened(patch: Patch, kind: str) -> None:
        def believed(submit: Any) -> Any:
            async def submitted(*args: Any) -> None:
                try:
                    await submit(*args)
                except (Refused, NotSent, OutcomeUnknown) as error:
                    raise outcome(str(error)) from error

            return submitted

        wrapped(patch, BROKERS[kind], "submit", believed)

    return opened


def refused_by_status(patch: Patch, _kind: str) -> None:
    """A 504 is an error, so the order was refused: so thought several engines."""
    patch.setattr(alpaca_outcomes, "refusal", lambda answer: answer.shown() if answer.status >= 400 else None)


def refused_by_class(patch: Patch, _kind: str) -> None:
    """An exception is an exception."""
    patch.setattr(ccxt_calls, "outcome_of", lambda error, _answered, _documented: Refused(str(error)))


def never_paused(patch: Patch, _kind: str) -> None:
    patch.setattr(Budget, "pause", lambda self, seconds: None)


def cancels_wait_like_orders(patch: Patch, _kind: str) -> None:
    wrapped(patch, Budget, "wait_s", lambda wait: lambda self, what, cost=1: wait(self, "order", cost))


def cancels_believed(patch: Patch, kind: str) -> None:
    def believed(cancel: Any) -> Any:
        async def canceled(*args: Any) -> None:
            try:
                await cancel(*args)
            except OutcomeUnknown:
                return

        return canceled

    wrapped(patch, BROKERS[kind], "cancel", believed)


def nothing_when_it_fails(patch: Patch, kind: str) -> None:
    """A partial or failed read means that there is nothing."""

    def silenced(read: Any) -> Any:
        async def done(*args: Any) -> Any:
            try:
                return await read(*args)
            except OutcomeUnknown:
                return []

        return done

    wrapped(patch, BROKERS[kind], "open_orders", silenced)


def not_found_is_over(patch: Patch, kind: str) -> None:
    """An order that is not there yet has never been accepted: so it is sent again."""

    def judged(find: Any) -> Any:
        async def found(self: Any, client_order_id: str) -> VenueOrder | None:
            seen: VenueOrder | None = await find(self, client_order_id)
            return seen or VenueOrder(client_order_id, "", "canceled", Decimal(0), Decimal(0))

        return found

    wrapped(patch, BROKERS[kind], "find", judged)


def sent_twice(patch: Patch, kind: str) -> None:
    """To be on the safe side."""

    def doubled(submit: Any) -> Any:
        async def submitted(*args: Any) -> None:
            await submit(*args)
            try:
                await submit(*args)
            except (Refused, OutcomeUnknown):
                return

        return submitted

    wrapped(patch, BROKERS[kind], "submit", doubled)


def clocks_compared_never(patch: Patch, _kind: str) -> None:
    async def idle(self: Any, _until: float) -> None:
        return None

    patch.setattr(Calls, "measure_clocks", idle)


def without_a_limit(patch: Patch, kind: str) -> None:
    """A limit order goes out as a market order."""

    def bare(submit: Any) -> Any:
        async def submitted(self: Any, order: Any, deadline: float) -> None:
            await submit(self, msgspec.structs.replace(order, order_type="market", price=None, time_in_force="GTC"), deadline)

        return submitted

    wrapped(patch, BROKERS[kind], "submit", bare)


# --- replacements


def replacing(outcome: type[Exception], believed: type[Exception] | None) -> Callable[[Patch, str], None]:
    """One outcome of a replacement is taken for another; None: for done."""

    def opened(patch: Patch, kind: str) -> None:
        def judged(replace: Any) -> Any:
            async def replaced(*args: Any) -> None:
                try:
                    await replace(*args)
                except outcome as error:
                    if believed is not None:
                        raise believed(str(error)) from error

            return replaced

        wrapped(patch, BROKERS[kind], "replace", judged)

    return opened


def replaced_again(patch: Patch, kind: str) -> None:
    """Nobody answered, so the request is made once more."""

    def insistent(replace: Any) -> Any:
        async def replaced(*args: Any) -> None:
            try:
                await replace(*args)
            except OutcomeUnknown:
                await replace(*args)

        return replaced

    wrapped(patch, BROKERS[kind], "replace", insistent)


def counted_on(patch: Patch, _kind: str) -> None:
    """What the venue says of a replacement is all its own."""

    async def as_told(self: Any, order: Any) -> Any:
        return order

    patch.setattr(Reading, "own", as_told)


# --- what is told


def told_as(change: Callable[[Report], Report | None]) -> Callable[[Patch, str], None]:
    """What the stream says is changed before it is told; None: it is not."""

    def opened(patch: Patch, kind: str) -> None:
        if kind == "alpaca":

            def of_alpaca(report_of: Any) -> Any:
                def reported(*args: Any) -> Report | None:
                    report = report_of(*args)
                    return None if report is None else change(report)

                return reported

            wrapped(patch, alpaca_broker, "report_of", of_alpaca)
            return

        def of_ccxt(stream: Any) -> Any:
            def opened_stream(self: Any, tell: Any, ring: Any) -> Any:
                def changed(report: Report) -> None:
                    if (said := change(report)) is not None:
                        tell(said)

                return stream(self, changed, ring)

            return opened_stream

        wrapped(patch, CcxtBroker, "_stream", of_ccxt)

    return opened


def another_key(report: Report) -> Report | None:
    """The stream's own execution id, which no other source has."""
    return msgspec.structs.replace(report, exec_key=f"stream-{report.exec_key}") if isinstance(report, Fill) else report


def through_float(report: Report) -> Report | None:
    return msgspec.structs.replace(report, price=Decimal(float(report.price))) if isinstance(report, Fill) else report


def counted_by_hand() -> Callable[[Report], Report | None]:
    """What is filled is what was heard, added up: wrong once a frame is lost or comes out of order."""
    sums: dict[str, Decimal] = {}

    def summed(report: Report) -> Report | None:
        if not isinstance(report, Fill):
            return report
        sums[report.client_order_id] = sums.get(report.client_order_id, Decimal(0)) + report.quantity
        return msgspec.structs.replace(report, cumulative=sums[report.client_order_id])

    return summed


def only_newer() -> Callable[[Report], Report | None]:
    """A frame that is older than the newest is old news."""
    newest = 0

    def sifted(report: Report) -> Report | None:
        nonlocal newest
        at = report.executed_at if isinstance(report, Fill) else getattr(report, "market_time", newest)
        if at < newest:
            return None
        newest = at
        return report

    return sifted


def never_refilled(patch: Patch, kind: str) -> None:
    """A stream that is connected again goes on where it is."""

    async def idle(self: Any, *_: Any) -> None:
        if kind == "alpaca":
            self._freshness.heard()

    if kind == "alpaca":
        patch.setattr(AlpacaBroker, "_refill", idle)
    else:
        patch.setattr(Reports, "_catch_up", idle)


def open_means_alive(patch: Patch, _kind: str) -> None:
    """A socket is alive until it is closed."""
    patch.setattr(Freshness, "left_s", lambda self: 3600.0)


def never_again(patch: Patch, kind: str) -> None:
    """A stream that broke stays broken."""

    async def once(connection: Any, broken: Any, _backoff: Any) -> None:
        try:
            await connection()
        except Exception as error:
            broken(error)

    patch.setattr(alpaca_broker if kind == "alpaca" else ccxt_reports, "reconnecting", once)


def ends_are_not_asked_for(patch: Patch, kind: str) -> None:
    """The refill asks for fills and for nothing else."""
    wrapped(patch, BROKERS[kind], "next_reports", _without(lambda report: isinstance(report, OrderReport) and "refilled" in report.detail))
    if kind == "ccxt":
        patch.setattr(Reports, "_tell_end", lambda self, order: None)


def _without(unwanted: Callable[[Report], bool]) -> Callable[[Any], Any]:
    def around(next_reports: Any) -> Any:
        async def sifted(self: Any) -> list[Report]:
            return [report for report in await next_reports(self) if not unwanted(report)]

        return sifted

    return around


def remembered_only(patch: Patch, kind: str) -> None:
    """The refill is what the stream has told, kept in memory."""
    heard: dict[str, Fill] = {}

    def kept(next_reports: Any) -> Any:
        async def told(self: Any) -> Any:
            reports = await next_reports(self)
            heard.update({r.exec_key: r for r in reports if isinstance(r, Fill)})
            return reports

        return told

    async def recalled(self: Any, executed_at: int) -> list[Fill]:
        return list(heard.values())

    wrapped(patch, BROKERS[kind], "next_reports", kept)
    patch.setattr(BROKERS[kind], "fills_since", recalled)


def own_orders_only(patch: Patch, kind: str) -> None:
    """What we did not send cannot be there."""
    sent: set[tuple[int, str]] = set()

    def noted(submit: Any) -> Any:
        async def submitted(self: Any, order: Any, deadline: float) -> None:
            sent.add((id(self), order.client_order_id))
            await submit(self, order, deadline)

        return submitted

    def sifted(open_orders: Any) -> Any:
        async def done(self: Any) -> list[VenueOrder]:
            return [order for order in await open_orders(self) if (id(self), order.client_order_id) in sent]

        return done

    wrapped(patch, BROKERS[kind], "submit", noted)
    wrapped(patch, BROKERS[kind], "open_orders", sifted)


# --- keys


def any_key(patch: Patch, kind: str) -> None:
    if kind == "ccxt":
        patch.setattr("libs.venues.ccxt_venue.client._check_place", lambda exchange, endpoint: None)
        return
    patch.setattr(alpaca_broker, "check", lambda endpoint: None)
    wrapped(patch, AlpacaBroker, "connect", lambda connect: lambda self: connect(_as_paper(self)))


def _as_paper(broker: Any) -> Any:
    broker._endpoint = replace(broker._endpoint, mode="paper")
    return broker


def no_key_asked_for(patch: Patch, kind: str) -> None:
    async def trusting(self: Any) -> None:
        return None

    patch.setattr(BROKERS[kind], "connect", trusting)


TRAPS: Final[dict[str, Trap]] = {
    "a request is sent again after a 5xx": Trap(retried, ("a_504_after_the_venue_took_the_order_is_unknown_and_one_post",)),
    "a 5xx is a refusal": Trap(refused_by_status, ("a_503_before_the_venue_looked_is_unknown_and_one_post",), "alpaca"),
    "an error is a refusal": Trap(refused_by_class, ("a_504_after_the_venue_took_the_order_is_unknown_and_one_post",), "ccxt"),
    "a lost answer is a refusal": Trap(
        answering(Refused), ("an_answer_that_was_cut_off_is_unknown_and_one_post", "half_an_answer_is_unknown_and_one_post")
    ),
    "a lost answer means that nothing was sent": Trap(
        answering(NotSent), ("a_request_that_was_cut_off_before_it_was_looked_at_is_unknown_and_one_post",)
    ),
    "what was never sent is unknown": Trap(answering(OutcomeUnknown), ("a_venue_that_is_not_there_was_sent_nothing",)),
    "a venue that throttles is asked on": Trap(never_paused, ("a_429_is_one_post_and_makes_the_adapter_stay_away",)),
    "cancels wait like orders": Trap(cancels_wait_like_orders, ("cancels_have_a_budget_of_their_own",)),
    "a cancel without an answer was done": Trap(cancels_believed, ("a_cancel_without_an_answer_is_unknown_and_the_order_is_looked_up",)),
    "a read that failed is empty": Trap(nothing_when_it_fails, ("a_read_that_fails_is_never_an_empty_answer",)),
    "what is not found has ended": Trap(not_found_is_over, ("an_order_that_the_venue_does_not_show_yet_is_not_found_and_later_is",)),
    "an order is sent twice": Trap(sent_twice, ("an_id_that_the_venue_takes_twice_is_sent_only_as_often_as_it_is_told",)),
    "clocks are never compared": Trap(clocks_compared_never, ("a_venue_whose_clock_is_off_still_takes_orders",), "ccxt"),
    "a limit is left out": Trap(without_a_limit, ("a_gap_in_the_price_fills_no_order_beyond_its_limit",)),
    "a replacement without an answer was done": Trap(
        replacing(OutcomeUnknown, None),
        (
            "a_replacement_whose_answer_was_cut_off_is_unknown_and_one_request",
            "a_replacement_that_was_cut_off_before_it_was_looked_at_is_unknown_and_one_request",
        ),
    ),
    "a replacement without an answer is a refusal": Trap(
        replacing(OutcomeUnknown, Refused), ("a_504_after_the_venue_replaced_the_order_is_unknown_and_one_request",)
    ),
    "a replacement is asked for again": Trap(replaced_again, ("a_504_after_the_venue_replaced_the_order_is_unknown_and_one_request",)),
    "a refused replacement was done": Trap(
        replacing(Refused, None), ("a_replacement_of_what_has_filled_is_refused_and_nothing_new_is_there",)
    ),
    "a replacement's fills are all its own": Trap(
        counted_on, ("what_an_order_had_filled_is_not_counted_to_the_one_in_its_place",), "alpaca"
    ),
    "the stream has keys of its own": Trap(told_as(another_key), ("frames_that_come_twice_are_the_same_fills",)),
    "prices pass through float": Trap(told_as(through_float), ("prices_and_quantities_keep_every_digit",)),
    "fills are added up by hand": Trap(
        lambda patch, kind: told_as(counted_by_hand())(patch, kind), ("frames_out_of_order_are_the_same_fills",)
    ),
    "late frames are old news": Trap(lambda patch, kind: told_as(only_newer())(patch, kind), ("frames_that_come_late_are_the_same_fills",)),
    "nothing is refilled": Trap(
        never_refilled,
        (
            "what_happened_while_the_stream_was_down_is_told_after_it",
            "a_frame_that_cannot_be_read_is_asked_for",
            "a_stream_whose_answers_were_lost_is_connected_again",
        ),
    ),
    "an open socket is alive": Trap(open_means_alive, ("a_stream_that_says_nothing_is_given_up_and_what_it_kept_is_told",)),
    "a broken stream stays broken": Trap(never_again, ("a_venue_that_was_restarted_is_found_again_with_all_it_had",)),
    "ends are not refilled": Trap(ends_are_not_asked_for, ("an_end_that_was_missed_is_told_after_the_next_connection",)),
    "the refill is what was heard": Trap(remembered_only, ("a_fill_whose_frame_was_lost_is_found_by_asking",)),
    "orders of others are left out": Trap(own_orders_only, ("orders_of_others_are_shown_as_open",)),
    "any key will do": Trap(any_key, ("a_paper_key_is_not_used_for_live_trading",)),
    "the key is not tried": Trap(no_key_asked_for, ("an_unknown_key_is_said_to_be_wrong",)),
}

CASES: Final = [
    pytest.param(kind, trap, name, id=f"{kind}-{title.replace(' ', '_')}-{n}")
    for title, trap in TRAPS.items()
    for kind in REMOTE
    if trap.only in ("", kind)
    for n, name in enumerate(trap.found_by)
]


@pytest.fixture(scope="module")
async def venues() -> AsyncIterator[dict[str, SimVenue]]:
    async with a_venue_for("alpaca") as alpaca, a_venue_for("ccxt") as ccxt:
        yield {"alpaca": alpaca, "ccxt": ccxt}


@pytest.mark.parametrize(("kind", "trap", "name"), CASES)
async def test_an_open_trap_is_found(venues: dict[str, SimVenue], monkeypatch: Patch, kind: str, trap: Trap, name: str) -> None:
    """The account is opened by a sound adapter, which is then swapped for one with the trap."""
    async with a_remote_rig(kind, venues[kind], f"trapped{next(_accounts)}") as rig:
        await rig.broker.disconnect()
        trap.open(monkeypatch, kind)
        rig.broker = rig.made(rig.endpoint)
        if trap.open is not no_key_asked_for:
            await rig.broker.connect()
            await rig.until(lambda: rig.broker.link().up)
        with pytest.raises((AssertionError, OutcomeUnknown, Refused, NotSent, WrongKey)):
            await CHECKS[name](rig)


def test_every_check_has_a_trap_that_turns_it_red_but_those_that_show_a_ways_end() -> None:
    """A storm of fills and a silent but sound stream have no bug of their own: they are the other side of checks that do."""
    covered = {name for trap in TRAPS.values() for name in trap.found_by}
    assert set(CHECKS) - covered == {
        "a_quiet_stream_that_is_alive_stays_connected",
        "a_storm_of_partial_fills_is_booked_fill_by_fill",
    }
