"""Lives of orders at sim_venue: client ids, shapes, replacements, sessions, halts."""

import pytest

from libs.domain.times import SECOND
from libs.quant.sim_venue.commands import Cancel, CancelAll, Configure, Halt, Replace
from libs.quant.sim_venue.listings import VenueRules
from libs.quant.sim_venue.orders import NewOrder
from tests.boxed import MODEL, NEW_YORK, Box, fills, kinds, listed, taken
from tests.venue_scenarios import START, a_listing

HOUR = 3600
TO_THE_CLOSE = 300  # seconds from START to the close of New York
TO_THE_OPEN = 17.5 * HOUR + TO_THE_CLOSE
SHORT = {"allow_short": True}


# --- client ids


@pytest.mark.parametrize(("scope", "while_open", "after"), [("lifetime", False, False), ("open", False, True), ("none", True, True)])
def test_within_what_a_client_id_must_be_unique(scope: str, while_open: bool, after: bool) -> None:
    box = Box(rules=VenueRules(id_scope=scope))  # type: ignore[arg-type]
    order = box.limit("ann", "buy", 1, 100, client_order_id="same")
    again = box.order("buy", "limit", 1, limit=100, client_order_id="same")
    if while_open:
        box.send("ann", again)
    else:
        assert box.not_sent("ann", again) == "duplicate_client_id"
    box.did(CancelAll(account="ann"))
    if after:
        box.send("ann", again)
    else:
        assert box.not_sent("ann", again) == "duplicate_client_id"
    box.limit("ben", "buy", 1, 100, client_order_id="same")
    assert box.found(order).status == "canceled"


def test_a_scope_that_is_widened_later_knows_what_was_used_before() -> None:
    box = Box(rules=VenueRules(id_scope="none"))
    box.did(Cancel(account="ann", order=box.limit("ann", "buy", 1, 100, client_order_id="same")))
    box.did(Configure(rules=VenueRules(id_scope="lifetime")))
    assert box.not_sent("ann", box.order("buy", "limit", 1, limit=100, client_order_id="same")) == "duplicate_client_id"


# --- cancelling


def test_an_order_is_cancelled_by_its_own_account_and_once() -> None:
    box = Box()
    order = box.limit("ann", "buy", 1, 100)
    assert box.refused(Cancel(account="ben", order=order)) == "unknown_order"
    assert box.refused(Cancel(account="ann", order=order + 1)) == "unknown_order"
    box.did(Cancel(account="ann", order=order))
    assert box.refused(Cancel(account="ann", order=order)) == "not_open"


def test_cancel_all_ends_everything_and_brings_nothing_to_life() -> None:
    box = Box(ben=SHORT)
    box.limit("ben", "sell", 4, 100)
    box.send("ann", *a_bracket(box), shape="bracket")
    assert set(kinds(box.did(CancelAll(account="ann")))) == {"canceled"}
    assert not box.account("ann").open


# --- shapes


def a_bracket(box: Box, lots: int = 10) -> tuple[NewOrder, ...]:
    entry = box.order("buy", "limit", lots, limit=100)
    return entry, box.order("sell", "limit", lots, limit=110), box.order("sell", "stop", lots, stop=90)


def bracketed(filled: int) -> Box:
    """ann's bracket for 10 lots at 100, of which so many have filled; the street stands at 99 and 101."""
    box = Box(ben=SHORT)
    box.quote(99, 101)
    box.send("ann", *a_bracket(box), shape="bracket")
    box.send("ben", box.order("sell", "limit", filled, limit=100))
    return box


def test_the_exits_of_a_bracket_go_live_when_the_entry_has_filled() -> None:
    box = bracketed(10)
    assert [order.status for order in box.account("ann").orders.values()] == ["filled", "open", "open"]
    assert box.depth()[1] == [(101, 100), (110, 10)]


def test_the_exits_of_a_bracket_whose_entry_ends_in_part_are_for_that_part() -> None:
    box = bracketed(4)
    assert [order.status for order in box.account("ann").orders.values()] == ["open", "held", "held"]
    box.did(Cancel(account="ann", order=1))
    assert [(order.status, order.lots) for order in box.account("ann").open.values()] == [("open", 4), ("open", 4)]


def test_the_exits_of_a_bracket_whose_entry_never_fills_end_with_it() -> None:
    box = Box()
    box.send("ann", *a_bracket(box), shape="bracket")
    box.did(Cancel(account="ann", order=1))
    assert [order.reason for order in box.account("ann").orders.values()] == ["", "parent_ended", "parent_ended"]


def test_one_exit_cancels_the_other() -> None:
    box = bracketed(10)
    reports = box.quote(89, 91)
    assert kinds(reports) == ["canceled", "triggered", "fill"]
    assert not box.account("ann").open
    box = bracketed(10)
    assert kinds(box.quote(110, 112, bid_lots=3)) == ["canceled", "fill"]
    assert [order.remaining for order in box.account("ann").open.values()] == [7]


def test_who_cancels_one_of_a_pair_cancels_both() -> None:
    box = bracketed(10)
    assert kinds(box.did(Cancel(account="ann", order=3))) == ["canceled", "canceled"]


def test_a_replaced_entry_still_brings_its_exits_to_life() -> None:
    box = bracketed(4)
    box.did(Replace(account="ann", order=1, client_order_id="new", lots=6))
    box.send("ben", box.order("sell", "limit", 2, limit=100))
    assert [(order.asked.type, order.lots) for order in box.account("ann").open.values()] == [("limit", 6), ("stop", 6)]


def test_a_follower_that_cannot_be_paid_ends_when_its_turn_comes() -> None:
    box = Box(ben=SHORT)
    box.send("ann", box.order("buy", "limit", 900, limit=100), box.order("buy", "limit", 900, limit=90), shape="oto")
    box.send("ben", box.order("sell", "limit", 900, limit=100))
    assert box.found(2).reason == "insufficient_funds"


@pytest.mark.parametrize("shape", ["simple", "oco", "oto", "bracket"])
def test_a_shape_of_the_wrong_size_or_making_is_refused(shape: str) -> None:
    box = Box(ann=SHORT)
    wrong = [box.order("sell", "limit", 5, limit=110), box.order("buy", "limit", 5, limit=90), box.order("buy", "stop", 4, stop=120)]
    given = {"simple": wrong, "oco": wrong[:2], "oto": wrong[:1], "bracket": wrong}[shape]
    assert box.not_sent("ann", *given, shape=shape) == "bad_combination"  # type: ignore[arg-type]


def test_in_model_mode_exits_of_an_entry_that_expires_in_part_meet_the_next_event() -> None:
    box = Box(MODEL)
    box.quote(99, 101)
    entry = box.order("buy", "limit", 150, limit=101, tif="GTD", expires_at=START + 3 * SECOND)
    box.send("ann", entry, box.order("sell", "limit", 150, limit=110), box.order("sell", "stop", 150, stop=90), shape="bracket")
    assert fills(box.quote(99, 101)) == [(100, 101)]
    assert kinds(box.wait(5)) == ["expired", "activated", "activated"]
    assert kinds(box.quote(110, 112)) == ["canceled", "fill"]


# --- replacing


def test_what_the_old_order_filled_counts_against_the_new_quantity() -> None:
    box = Box(ben=SHORT)
    old = box.limit("ann", "buy", 10, 100)
    box.send("ben", box.order("sell", "limit", 4, limit=100))
    assert box.refused(Replace(account="ann", order=old, client_order_id="n", lots=4)) == "below_filled"
    reports = box.did(Replace(account="ann", order=old, client_order_id="n", lots=6, limit=99))
    assert kinds(reports) == ["replaced", "accepted"]
    new = box.found(taken(reports))
    assert (new.replaces, new.filled, new.remaining, box.found(old).replaced_by) == (old, 4, 2, new.id)
    assert box.depth()[0] == [(99, 2)]


def test_a_replacement_that_would_be_refused_leaves_the_old_order_alone() -> None:
    box = Box()
    old = box.limit("ann", "buy", 10, 100)
    assert box.refused(Replace(account="ann", order=old, client_order_id="n", limit=0)) == "bad_price"
    assert box.refused(Replace(account="ann", order=old, client_order_id="n", lots=0)) == "bad_quantity"
    assert box.refused(Replace(account="ann", order=old, client_order_id="n", stop=5)) == "bad_combination"
    assert box.refused(Replace(account="ann", order=99, client_order_id="n")) == "unknown_order"
    assert box.found(old).status == "open"


def test_a_trailing_stop_that_is_replaced_keeps_where_it_stands_unless_it_trails_otherwise() -> None:
    box = Box(ann=SHORT)
    box.quote(100, 102)
    old = taken(box.send("ann", box.order("sell", "trailing_stop", 5, trail=3)))
    box.quote(106, 108)
    box.quote(104, 106)
    kept = taken(box.did(Replace(account="ann", order=old, client_order_id="n", lots=4)))
    assert box.found(kept).stop == 103
    moved = taken(box.did(Replace(account="ann", order=kept, client_order_id="m", trail=2)))
    assert box.found(moved).stop == 102


# --- hours and halts


def test_a_day_order_ends_with_its_session_and_one_sent_after_it_with_the_next() -> None:
    box = Box(NEW_YORK)
    today = box.limit("ann", "buy", 1, 100, tif="DAY")
    assert kinds(box.wait(TO_THE_CLOSE)) == ["expired"]
    tomorrow = box.limit("ann", "buy", 1, 100, tif="DAY")
    box.wait(TO_THE_OPEN - TO_THE_CLOSE)
    assert (box.found(today).status, box.found(tomorrow).status) == ("expired", "open")
    assert kinds(box.wait(6.5 * HOUR)) == ["expired"]


def test_a_gtd_order_ends_at_its_time() -> None:
    box = Box()
    box.limit("ann", "buy", 1, 100, tif="GTD", expires_at=START + 5 * SECOND)
    assert box.wait(4.9) == []
    assert kinds(box.wait(0.1)) == ["expired"]


def test_orders_sent_while_the_market_is_shut_meet_at_the_open_in_order_of_arrival() -> None:
    box = Box(NEW_YORK, ben=SHORT)
    box.wait(TO_THE_CLOSE)
    box.limit("ben", "sell", 5, 100)
    assert fills(box.send("ann", box.order("buy", "limit", 5, limit=105))) == []
    assert box.depth() == ([], [])
    assert fills(box.wait(TO_THE_OPEN), "ann") == [(5, 100)]


def test_a_market_that_is_shut_refuses_where_that_is_its_rule() -> None:
    box = Box(listed(NEW_YORK, when_shut="refuse"))
    box.did(Halt(symbol="ALFA"))
    assert box.not_sent("ann", box.order("buy", "limit", 1, limit=1)) == "halted"
    box.did(Halt(symbol="ALFA", on=False))
    box.wait(TO_THE_CLOSE)
    assert box.not_sent("ann", box.order("buy", "limit", 1, limit=1)) == "closed"


def test_nothing_trades_while_a_symbol_is_halted_and_cancels_go_on() -> None:
    box = Box()
    box.quote(99, 101)
    order = box.limit("ann", "buy", 5, 99)
    assert kinds(box.did(Halt(symbol="ALFA"))) == ["halted"]
    assert box.did(Halt(symbol="ALFA")) == []
    assert box.trade(98, 1000) + box.quote(97, 98) + box.send("ben", box.order("buy", "limit", 1, limit=98))[1:] == []
    box.did(Cancel(account="ann", order=order))
    assert fills(box.did(Halt(symbol="ALFA", on=False)), "ben") == [(1, 98)]


def test_in_model_mode_a_halt_keeps_events_from_orders() -> None:
    box = Box(MODEL)
    box.quote(99, 101)
    box.limit("ann", "buy", 5, 105)
    box.did(Halt(symbol="ALFA"))
    assert box.quote(99, 101) == []
    box.did(Halt(symbol="ALFA", on=False))
    assert fills(box.quote(99, 101)) == [(5, 101)]


# --- model


def test_in_model_mode_an_order_meets_events_after_it_and_its_latency() -> None:
    box = Box(MODEL, rules=VenueRules(latency_ns=SECOND))
    box.quote(99, 101)
    box.send("ann", box.order("buy", "market", 5))
    assert fills(box.quote(99, 102)) == []
    assert fills(box.quote(99, 103)) == [(5, 103)]


@pytest.mark.parametrize(("tif", "done"), [("IOC", [(100, 101)]), ("FOK", [])])
def test_in_model_mode_immediate_means_the_first_event(tif: str, done: list[tuple[int, int]]) -> None:
    box = Box(MODEL)
    box.quote(99, 101)
    box.send("ann", box.order("buy", "limit", 150, limit=101, tif=tif))
    reports = box.quote(99, 101)
    assert fills(reports) == done
    assert kinds(reports)[-1] == "expired"


def test_in_model_mode_who_rested_makes_and_who_did_not_takes() -> None:
    box = Box(MODEL)
    box.quote(99, 101)
    box.limit("ann", "buy", 1, 101)
    box.limit("ann", "buy", 1, 100)
    box.quote(99, 101)
    box.quote(98, 100)
    assert [execution.maker for execution in box.account("ann").executions.values()] == [False, True]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"lots": 0}, "bad_quantity"),
        ({"lots": 10**13}, "bad_quantity"),
        ({"limit": -1}, "bad_price"),
        ({"limit": None}, "bad_combination"),
        ({"stop": 5}, "bad_combination"),
        ({"tif": "GTD"}, "bad_combination"),
        ({"tif": "GTD", "expires_at": START}, "bad_combination"),
        ({"expires_at": START + SECOND}, "bad_combination"),
        ({"tif": "IOC", "post_only": True}, "bad_combination"),
        ({"client_order_id": ""}, "bad_combination"),
        ({"trail": 5}, "bad_combination"),
        ({"symbol": "NONE"}, "unknown_symbol"),
        ({"limit": 1, "lots": 1}, "min_notional"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(wrong: dict[str, object], code: str) -> None:
    box = Box(a_listing("ALFA", "book", min_notional="0.5"))
    good = {"lots": 10, "limit": 100}
    lots = wrong.get("lots", good["lots"])
    fields = {name: value for name, value in (good | wrong).items() if name != "lots"}
    assert box.not_sent("ann", box.order("buy", "limit", lots, **fields)) == code  # type: ignore[arg-type]
