from collections.abc import Sequence
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.kill import Kills
from libs.domain.orders import AT_VENUE, OPEN, Order, Side, Status
from libs.quant.dispatch import Fate, fates
from libs.quant.execution.protection import Standing
from tests.paper import D, an_order

NOW = 500


def standing(n: int, status: Status = Status.APPROVED, symbol: str | None = None, expires_at: int = 1000) -> Standing:
    """Orders of different numbers are of different books unless a symbol is given."""
    return Standing(an_order(n, symbol=symbol or f"S{n}", expires_at=expires_at), status)


def decided(orders: Sequence[Standing], killed: Kills = MappingProxyType({}), now: int = NOW, slots: int = 8) -> list[Fate]:
    return [fate for _, fate in fates(orders, killed, ("paper",), now, slots, books={})]


@pytest.mark.parametrize(
    ("side", "held", "fate"),
    [
        pytest.param("buy", 0, "halt", id="an entry"),
        pytest.param("sell", 10, "send", id="all of it sold"),
        pytest.param("sell", 9, "halt", id="sold through zero"),
        pytest.param("buy", -10, "send", id="a short bought back"),
        pytest.param("buy", 10, "halt", id="more of the same"),
    ],
)
def test_of_a_halted_account_only_what_shrinks_its_book_goes(side: Side, held: int, fate: Fate) -> None:
    order = an_order(1, side=side)
    books = {(order.strategy_id, order.symbol): D(held)}
    assert fates([Standing(order, Status.APPROVED)], {}, ("paper",), NOW, books=books, halted=True) == [(order, fate)]
    assert fates([Standing(order, Status.APPROVED)], {}, ("paper",), NOW, books={}) == [(order, "send")]


def test_of_a_halted_account_an_order_behind_another_of_its_book_is_judged_when_that_is_gone() -> None:
    before, order = standing(1, Status.UNKNOWN, symbol="A"), standing(2, symbol="A")
    assert fates([before, order], {}, ("paper",), NOW, books={}, halted=True) == [(order.order, "hold")]
    assert fates([order], {}, ("paper",), NOW, books={}, halted=True) == [(order.order, "halt")]


def test_of_a_symbol_that_is_silent_only_what_shrinks_its_book_goes() -> None:
    entry, exit_, other = standing(1, symbol="A"), Standing(an_order(2, symbol="B", side="sell"), Status.APPROVED), standing(3, symbol="C")
    books = {(exit_.order.strategy_id, "B"): exit_.order.quantity}
    found = fates([entry, exit_, other], {}, ("paper",), NOW, books=books, silent={"A", "B"})
    assert [fate for _, fate in found] == ["hold", "send", "send"]


def test_orders_of_different_books_go_side_by_side_in_stream_order() -> None:
    orders = [standing(n) for n in (3, 1, 2)]
    assert fates(orders, {}, ("paper",), NOW, books={}) == [(o.order, "send") for o in orders]


def test_of_one_book_the_first_goes_and_the_others_wait_for_it() -> None:
    assert decided([standing(1, symbol="A"), standing(2, symbol="A"), standing(3, symbol="B")]) == ["send", "hold", "send"]


@pytest.mark.parametrize("status", sorted(AT_VENUE))
def test_an_order_waits_while_another_of_its_book_may_be_at_the_venue(status: Status) -> None:
    assert decided([standing(1, status, symbol="A"), standing(2, symbol="A"), standing(3, symbol="B")]) == ["hold", "send"]


def test_an_unknown_order_blocks_its_book_even_when_it_is_listed_later() -> None:
    assert decided([standing(1, symbol="A"), standing(2, Status.UNKNOWN, symbol="A")]) == ["hold"]


def test_no_more_requests_than_slots_are_on_the_wire() -> None:
    assert decided([standing(n) for n in range(1, 11)]) == ["send"] * 8 + ["hold"] * 2


def test_requests_already_on_the_wire_take_slots_and_answered_ones_do_not() -> None:
    on_the_wire = [standing(n, Status.SUBMITTING) for n in range(1, 7)]
    answered = [standing(n, Status.ACKED) for n in range(7, 20)]
    assert decided([*on_the_wire, *answered, *(standing(n) for n in range(20, 23))]) == ["send", "send", "hold"]


def test_a_later_order_of_a_book_does_not_overtake_one_that_found_no_slot() -> None:
    assert decided([standing(1, symbol="A"), standing(2, symbol="B"), standing(3, symbol="B")], slots=1) == ["send", "hold", "hold"]


@pytest.mark.parametrize(
    ("now", "fate"),
    [
        pytest.param(999, "send", id="before the venue ends it"),
        pytest.param(1000, "expire", id="the venue would end it at once"),
        pytest.param(1001, "expire", id="late"),
    ],
)
def test_an_order_is_not_sent_when_its_time_has_passed(now: int, fate: Fate) -> None:
    assert decided([standing(1)], now=now) == [fate]


def test_valid_until_is_the_last_moment_to_send() -> None:
    order = Standing(an_order(expires_at=1000), Status.APPROVED)
    lasting = Standing(Order(**{f: getattr(order.order, f) for f in Order.__struct_fields__} | {"expires_at": 2000}), Status.APPROVED)
    assert decided([lasting], now=1000) == ["send"]
    assert decided([lasting], now=1001) == ["expire"]


def test_an_order_that_expires_frees_its_book_for_the_next() -> None:
    assert decided([standing(1, symbol="A", expires_at=400), standing(2, symbol="A")]) == ["expire", "send"]


@pytest.mark.parametrize(
    ("scope", "key", "expected"),
    [
        ("fleet", "", ["deny", "deny"]),
        ("account", "paper", ["deny", "deny"]),
        ("account", "other", ["send", "send"]),
        ("strategy", "sma_cross", ["deny", "deny"]),
        ("symbol", "S1", ["deny", "send"]),
    ],
)
def test_a_kill_switch_denies_what_is_in_its_scope(scope: str, key: str, expected: list[Fate]) -> None:
    assert decided([standing(1), standing(2)], {(scope, key): "halt"}) == expected


orders = st.lists(
    st.builds(standing, n=st.integers(1, 10**6), status=st.sampled_from(sorted(OPEN)), symbol=st.sampled_from("ABCDEF")), max_size=30
)


@given(orders=orders, slots=st.integers(0, 8))
def test_never_two_orders_of_a_book_or_more_than_the_slots_at_the_venue(orders: Sequence[Standing], slots: int) -> None:
    found = fates(orders, {}, ("paper",), NOW, slots, books={})
    sent = [order.symbol for order, fate in found if fate == "send"]
    assert len(sent) == len(set(sent))
    assert not set(sent) & {s.order.symbol for s in orders if s.status in AT_VENUE}
    assert len(sent) <= max(0, slots - sum(s.status is Status.SUBMITTING for s in orders))
    assert [order for order, _ in found] == [s.order for s in orders if s.status is Status.APPROVED]
