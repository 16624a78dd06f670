"""What an adapter of a remote venue must make of each fault, as checks that any adapter, and any broken one, can be put through.

Each takes a rig with a fresh account and raises AssertionError when the adapter does not hold. The venue behind it counts what
reached it and keeps the truth.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Final
from unittest.mock import patch

from libs.domain.orders import Evidence
from libs.domain.trades import Fill
from libs.venues.broker import NotSent, OrderReport, OutcomeUnknown, Refused, WrongKey
from tests.conformance.rigs import MUTE_AFTER_S, RemoteRig, eventually, told, told_end, told_fills
from tests.paper import NEVER_LATE, D

Check = Callable[[RemoteRig], Awaitable[None]]

CHECKS: Final[dict[str, Check]] = {}


def check(held: Check) -> Check:
    """Makes it one of CHECKS, under its own name."""
    CHECKS[held.__name__] = held
    return held


async def outcome(asked: Awaitable[None]) -> str:
    """What came of a request: its exception by name, or "taken"."""
    try:
        await asked
    except (Refused, NotSent, OutcomeUnknown) as error:
        return type(error).__name__
    return "taken"


async def posts(rig: RemoteRig, n: int = 1) -> int:
    """How many requests to take that order reached the venue."""
    counted: int = (await rig.venue.requests(rig.order(n).client_order_id)).get("order_submit", 0)
    return counted


async def is_there(rig: RemoteRig, n: int = 1) -> bool:
    """Whether the venue has the order, by its own record."""
    account = rig.venue.host.view.accounts[rig.account]
    return account.order_of(rig.order(n).client_order_id) is not None


async def _submit_with(rig: RemoteRig, kind: str, **knob: object) -> str:
    await rig.venue.fault(kind, what="order_submit", dialect=rig.dialect, **knob)
    return await outcome(rig.broker.submit(rig.order(), NEVER_LATE))


# --- requests


@check
async def a_504_after_the_venue_took_the_order_is_unknown_and_one_post(rig: RemoteRig) -> None:
    assert await _submit_with(rig, "status_after", status=504, count=None) == "OutcomeUnknown"
    assert await posts(rig) == 1
    found = await rig.broker.find(rig.order().client_order_id)
    assert found is not None
    assert found.status == "open"


@check
async def an_answer_that_was_cut_off_is_unknown_and_one_post(rig: RemoteRig) -> None:
    assert await _submit_with(rig, "drop_after", count=None) == "OutcomeUnknown"
    assert await posts(rig) == 1
    assert await rig.broker.find(rig.order().client_order_id) is not None


@check
async def half_an_answer_is_unknown_and_one_post(rig: RemoteRig) -> None:
    assert await _submit_with(rig, "half", count=None) == "OutcomeUnknown"
    assert await posts(rig) == 1
    assert await rig.broker.find(rig.order().client_order_id) is not None


@check
async def a_request_that_was_cut_off_before_it_was_looked_at_is_unknown_and_one_post(rig: RemoteRig) -> None:
    assert await _submit_with(rig, "drop_before", count=None) == "OutcomeUnknown"
    assert not await is_there(rig)
    assert await rig.broker.find(rig.order().client_order_id) is None
    assert await posts(rig) == 1


@check
async def a_503_before_the_venue_looked_is_unknown_and_one_post(rig: RemoteRig) -> None:
    assert await _submit_with(rig, "status_before", status=503, count=None) == "OutcomeUnknown"
    assert await posts(rig) == 1
    assert not await is_there(rig)


@check
async def a_429_is_one_post_and_makes_the_adapter_stay_away(rig: RemoteRig) -> None:
    said = await _submit_with(rig, "status_before", status=429, count=None)
    assert said in ("OutcomeUnknown", "NotSent", "Refused")
    assert await posts(rig) == 1
    assert rig.broker.link().budget == 0.0


@check
async def a_venue_that_is_not_there_was_sent_nothing(rig: RemoteRig) -> None:
    away = rig.made(replace(rig.endpoint, url=f"http://127.0.0.1:9/{rig.dialect}"))
    try:
        with suppress(OutcomeUnknown):
            await away.connect()
        said = await outcome(away.submit(rig.order(), NEVER_LATE))
    finally:
        await away.disconnect()
    assert said == "NotSent"


@check
async def a_cancel_without_an_answer_is_unknown_and_the_order_is_looked_up(rig: RemoteRig) -> None:
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await rig.venue.fault("status_after", what="order_cancel", status=504)
    assert await outcome(rig.broker.cancel(rig.order().client_order_id)) == "OutcomeUnknown"
    found = await rig.broker.find(rig.order().client_order_id)
    assert found is not None
    assert found.status == "canceled"


@check
async def a_read_that_fails_is_never_an_empty_answer(rig: RemoteRig) -> None:
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await rig.venue.weather(maintenance=True, requests_per_minute=1_000_000)
    broker = rig.broker
    for read in (broker.open_orders, lambda: broker.fills_since(0), broker.holdings, lambda: broker.find(rig.order().client_order_id)):
        try:
            answer = await read()
        except OutcomeUnknown:
            continue
        raise AssertionError(f"expected that nobody knows, got {answer}")


@check
async def an_order_that_the_venue_does_not_show_yet_is_not_found_and_later_is(rig: RemoteRig) -> None:
    await rig.venue.weather(read_lag_s=0.3, requests_per_minute=1_000_000)
    await rig.broker.submit(rig.order(), NEVER_LATE)
    id_ = rig.order().client_order_id
    assert await rig.broker.find(id_) is None

    async def shown() -> bool:
        found = await rig.broker.find(id_)
        return found is not None and found.status == "open"

    await eventually(shown, lambda: f"{id_} was never shown as open")


@check
async def an_id_that_the_venue_takes_twice_is_sent_only_as_often_as_it_is_told(rig: RemoteRig) -> None:
    await rig.venue.control("PUT", "rules", {"id_scope": "open"})
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await rig.show(5, ask=100.0, size=100)
    assert await outcome(rig.broker.submit(rig.order(), NEVER_LATE)) == "taken"
    assert await posts(rig) == 2
    assert len(await rig.broker.open_orders()) == 1


@check
async def a_venue_whose_clock_is_off_still_takes_orders(rig: RemoteRig) -> None:
    await rig.venue.weather(clock_skew_ms=30_000, requests_per_minute=1_000_000)
    await outcome(rig.broker.submit(rig.order(), NEVER_LATE))  # one may be refused: that is how the difference shows
    await rig.restart()
    assert await outcome(rig.broker.submit(rig.order(2), NEVER_LATE)) == "taken"


@check
async def cancels_have_a_budget_of_their_own(rig: RemoteRig) -> None:
    """A broker with a tiny budget sends orders until none is left, and can cancel all the same."""
    await rig.broker.disconnect()
    rig.broker = rig.made_frugal(40)
    await rig.broker.connect()
    await rig.until(lambda: rig.broker.link().up)
    await rig.broker.submit(rig.order(), NEVER_LATE)
    for _ in range(40):  # of one id, which the venue turns down and the budget counts
        if await outcome(rig.broker.submit(rig.order(), asyncio.get_running_loop().time() + 0.2)) == "NotSent":
            break
    else:
        raise AssertionError("the budget never ran out")
    assert await outcome(rig.broker.cancel(rig.order().client_order_id)) == "taken"


# --- replacements


async def _replace_with(rig: RemoteRig, kind: str, **knob: object) -> str:
    """What came of putting an order of four, the second, in the place of a resting one of ten."""
    await rig.broker.submit(rig.order(price=D(90)), NEVER_LATE)
    await rig.venue.fault(kind, what="order_replace", dialect=rig.dialect, **knob)
    return await _replaced(rig)


async def _replaced(rig: RemoteRig) -> str:
    new = rig.order(2, quantity=D(4), price=D(90))
    return await outcome(rig.broker.replace(rig.order().client_order_id, new, NEVER_LATE))


async def _standing(rig: RemoteRig) -> tuple[str, str]:
    """How the old order and the new one stand, as the adapter finds them."""
    found = [await rig.broker.find(rig.order(n).client_order_id) for n in (1, 2)]
    return found[0].status if found[0] else "absent", found[1].status if found[1] else "absent"


async def _replacements(rig: RemoteRig) -> int:
    counted: int = (await rig.venue.requests(rig.order(2).client_order_id)).get("order_replace", 0)
    return counted


@check
async def a_504_after_the_venue_replaced_the_order_is_unknown_and_one_request(rig: RemoteRig) -> None:
    assert await _replace_with(rig, "status_after", status=504, count=None) == "OutcomeUnknown"
    assert await _replacements(rig) == 1
    assert await _standing(rig) == ("canceled", "open")


@check
async def a_replacement_whose_answer_was_cut_off_is_unknown_and_one_request(rig: RemoteRig) -> None:
    assert await _replace_with(rig, "drop_after", count=None) == "OutcomeUnknown"
    assert await _replacements(rig) == 1
    assert await _standing(rig) == ("canceled", "open")


@check
async def a_replacement_that_was_cut_off_before_it_was_looked_at_is_unknown_and_one_request(rig: RemoteRig) -> None:
    assert await _replace_with(rig, "drop_before", count=None) == "OutcomeUnknown"
    assert await _replacements(rig) == 1
    assert await _standing(rig) == ("open", "absent")


@check
async def a_replacement_of_what_has_filled_is_refused_and_nothing_new_is_there(rig: RemoteRig) -> None:
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await rig.show(1, ask=100.0, size=100)
    assert await _replaced(rig) == "Refused"
    assert await _standing(rig) == ("filled", "absent")


@check
async def what_an_order_had_filled_is_not_counted_to_the_one_in_its_place(rig: RemoteRig) -> None:
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await rig.show(1, ask=100.0, size=3)
    assert [f.cumulative for f in await told_fills(rig, D(3))] == [D(3)]
    new = rig.order(2, quantity=D(7))
    assert await outcome(rig.broker.replace(rig.order().client_order_id, new, NEVER_LATE)) == "taken"
    assert (await told_end(rig, rig.order().client_order_id)).filled == D(3)
    await rig.restart()
    await rig.show(2, ask=100.0, size=100)
    found = await rig.broker.find(new.client_order_id)
    assert found is not None
    fills = [f for f in await rig.broker.fills_since(0) if f.client_order_id == new.client_order_id]
    assert found.filled == found.quantity == fills[-1].cumulative == sum(f.quantity for f in fills)


# --- fills and the stream


async def _filled_in_five(rig: RemoteRig, first: int = 1) -> None:
    """Five fills of two."""
    for moment in range(first, first + 5):
        await rig.show(moment, ask=100.0, size=2)


async def _same_as_the_venue_says(rig: RemoteRig, told_: list[Fill]) -> None:
    asked = list(await rig.broker.fills_since(0))
    assert sorted(told_, key=lambda f: f.cumulative) == asked
    assert [f.cumulative for f in asked] == [D(2), D(4), D(6), D(8), D(10)]
    assert len({f.exec_key for f in asked}) == 5


@check
async def a_fill_whose_frame_was_lost_is_found_by_asking(rig: RemoteRig) -> None:
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await rig.show(1, ask=100.0, size=2)
    first = await told_fills(rig, D(2))
    await rig.venue.fault("lose", what="orders", dialect=rig.dialect, count=1)
    for moment in range(2, 6):
        await rig.show(moment, ask=100.0, size=2)
    heard = {f.exec_key: f for f in [*first, *await told_fills(rig, D(6))]}
    asked = list(await rig.broker.fills_since(0))
    assert len(asked) == 5
    assert all(heard.get(f.exec_key, f) == f for f in asked)


@check
async def frames_that_come_twice_are_the_same_fills(rig: RemoteRig) -> None:
    await rig.venue.fault("duplicate", what="orders", dialect=rig.dialect, count=None)
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await _filled_in_five(rig)
    await _same_as_the_venue_says(rig, await told_fills(rig, D(10)))


@check
async def frames_out_of_order_are_the_same_fills(rig: RemoteRig) -> None:
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await rig.venue.fault("reorder", what="orders", dialect=rig.dialect, symbol=rig.symbol)
    await _filled_in_five(rig)
    await _same_as_the_venue_says(rig, await told_fills(rig, D(10)))


@check
async def frames_that_come_late_are_the_same_fills(rig: RemoteRig) -> None:
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await rig.venue.fault("late", what="orders", dialect=rig.dialect, seconds=0.15, count=2)
    await _filled_in_five(rig)
    await _same_as_the_venue_says(rig, await told_fills(rig, D(10)))


@check
async def a_frame_that_cannot_be_read_is_asked_for(rig: RemoteRig) -> None:
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await rig.venue.fault("garble", what="orders", dialect=rig.dialect, symbol=rig.symbol)
    await _filled_in_five(rig)
    await _same_as_the_venue_says(rig, await told_fills(rig, D(10)))


@check
async def what_happened_while_the_stream_was_down_is_told_after_it(rig: RemoteRig) -> None:
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await rig.venue.fault("disconnect", what="orders", dialect=rig.dialect)
    await _filled_in_five(rig)
    await _same_as_the_venue_says(rig, await told_fills(rig, D(10)))
    await rig.until(lambda: rig.broker.link().up)


@check
async def a_stream_that_says_nothing_is_given_up_and_what_it_kept_is_told(rig: RemoteRig) -> None:
    """The socket stays open and pings are answered; only silence tells."""
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await rig.venue.fault("mute", what="orders", dialect=rig.dialect)
    await _filled_in_five(rig)
    await _same_as_the_venue_says(rig, await told_fills(rig, D(10)))


@check
async def a_stream_whose_answers_were_lost_is_connected_again(rig: RemoteRig) -> None:
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await rig.venue.fault("disconnect", what="orders", dialect=rig.dialect)
    await rig.venue.fault("lose", what="orders", dialect=rig.dialect, count=2)
    with patch("libs.venues.ccxt_venue.reports.SUBSCRIBED_WITHIN_S", MUTE_AFTER_S):
        await _filled_in_five(rig)
        await _same_as_the_venue_says(rig, await told_fills(rig, D(10)))


@check
async def a_quiet_stream_that_is_alive_stays_connected(rig: RemoteRig) -> None:
    """Nothing happens for three times as long as a stream may be silent; being asked, it answers."""
    up = 0
    for _ in range(12):
        await asyncio.sleep(MUTE_AFTER_S / 4)
        up += rig.broker.link().up
    assert up >= 10, f"it was connected in {up} of 12 looks"  # a machine that stalls may cost one connection


@check
async def an_end_that_was_missed_is_told_after_the_next_connection(rig: RemoteRig) -> None:
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await rig.show(1, ask=100.0, size=2)
    await told_fills(rig, D(2))
    await rig.venue.fault("disconnect", what="orders", dialect=rig.dialect)
    await rig.broker.cancel(rig.order().client_order_id)
    end = await told_end(rig, rig.order().client_order_id)
    assert (end.evidence, end.filled) == (Evidence.CANCELED, D(2))


@check
async def a_venue_that_was_restarted_is_found_again_with_all_it_had(rig: RemoteRig) -> None:
    await rig.broker.submit(rig.order(), NEVER_LATE)
    await rig.show(1, ask=100.0, size=4)
    before = await told_fills(rig, D(4))
    await rig.venue.restart()
    await rig.venue.weather(requests_per_minute=1_000_000)
    await rig.until(lambda: rig.broker.link().up)
    await rig.show(2, ask=100.0, size=6)
    after = [f for f in await told_fills(rig, D(6)) if f not in before] or await told_fills(rig, D(6))
    assert list(await rig.broker.fills_since(0)) == [*before, *after]


@check
async def a_storm_of_partial_fills_is_booked_fill_by_fill(rig: RemoteRig) -> None:
    lots = int(D(1) / (D("0.00001") if rig.symbol != "ALFA" else D(1)))
    await rig.venue.control("PUT", "rules", {"most_lots_per_fill": lots})
    await rig.broker.submit(rig.order(), NEVER_LATE)
    for moment in range(1, 11):
        await rig.show(moment, ask=100.0, size=100)
    heard = await told_fills(rig, D(10))
    asked = list(await rig.broker.fills_since(0))
    assert [f.cumulative for f in asked] == [Decimal(n) for n in range(1, 11)]
    assert sorted(heard, key=lambda f: f.cumulative) == asked


@check
async def a_gap_in_the_price_fills_no_order_beyond_its_limit(rig: RemoteRig) -> None:
    await rig.broker.submit(rig.order(price=D(101)), NEVER_LATE)
    await rig.venue.weather(price_gap_bps={rig.symbol: 500.0}, requests_per_minute=1_000_000)
    await rig.show(1, ask=100.0, size=100)
    assert list(await rig.broker.fills_since(0)) == []
    await rig.venue.weather(price_gap_bps={rig.symbol: -500.0}, requests_per_minute=1_000_000)
    await rig.show(2, ask=100.0, size=100)
    assert [f.price for f in await rig.broker.fills_since(0)] == [D(95)]


@check
async def prices_and_quantities_keep_every_digit(rig: RemoteRig) -> None:
    await rig.broker.submit(rig.order(quantity=D(3), price=D("100.07")), NEVER_LATE)
    await rig.show(1, ask=100.07, size=100)
    fills = [*await told_fills(rig, D(3)), *await rig.broker.fills_since(0)]
    assert {f.price for f in fills} == {D("100.07")}
    fee = fills[0].fee
    assert (await rig.broker.holdings()).cash == {"USD": D(100_000) - D("300.21") - fee}


# --- keys


@check
async def a_paper_key_is_not_used_for_live_trading(rig: RemoteRig) -> None:
    live = rig.made(replace(rig.endpoint, mode="live")) if rig.dialect == "alpaca" else None
    try:
        if live is None:
            rig.made(replace(rig.endpoint, mode="live"))
        else:
            await live.connect()
    except WrongKey:
        return
    finally:
        if live is not None:
            await live.disconnect()
    raise AssertionError("expected WrongKey")


@check
async def an_unknown_key_is_said_to_be_wrong(rig: RemoteRig) -> None:
    wrong = rig.made(replace(rig.endpoint, secret="not-the-secret"))
    try:
        await wrong.connect()
    except WrongKey:
        return
    finally:
        await wrong.disconnect()
    raise AssertionError("expected WrongKey")


@check
async def orders_of_others_are_shown_as_open(rig: RemoteRig) -> None:
    """Whoever reconciles has to see what somebody else has sent with this key."""
    other = rig.made(rig.endpoint)
    await other.connect()
    try:
        await other.submit(rig.order(3), NEVER_LATE)
    finally:
        await other.disconnect()
    assert [o.client_order_id for o in await rig.broker.open_orders()] == [rig.order(3).client_order_id]
    await rig.broker.cancel(rig.order(3).client_order_id)
    ends = await told(rig, lambda heard: any(isinstance(r, OrderReport) and r.evidence is Evidence.CANCELED for r in heard))
    assert ends
