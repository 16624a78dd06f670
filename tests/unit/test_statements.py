"""An account's day by the statement and by the record: the same to the last digit, or a ticket."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from libs.domain.reconciling import Amounts
from libs.domain.statements import Day, Line, Word, agreed, breaks
from libs.domain.times import SECOND

D = Decimal
DAY = Day(1000 * SECOND, 2000 * SECOND)


def a_line(key: str = "x", **changed: Any) -> Line:
    line = Line(key, "order", "ALFA", "buy", D(10), D("100.01"), D("0.35"), "USD", 1500 * SECOND)
    return line._replace(**changed)


def word(*lines: Line, cash: str = "100.00", held: str = "10", open_: set[str] | None = None) -> Word:
    return Word(lines, open_ or set(), Amounts({"USD": D(cash)}, {"ALFA": D(held)}))


def keys(ours: Word, theirs: Word, ended: set[str] | None = None, off: dict[str, Decimal] | None = None) -> list[str]:
    return [item.key for item in breaks("paper", DAY, ours, theirs, ended or set(), off or {})]


def test_what_is_the_same_to_the_last_digit_is_no_break() -> None:
    written_otherwise = a_line(quantity=D("10.000"), price=D("100.0100"))
    assert keys(word(a_line(), cash="100"), word(written_otherwise, cash="100.000000000000")) == []


@pytest.mark.parametrize(
    ("theirs", "key"),
    [
        (word(a_line(), cash="100.01"), "cash USD"),
        (word(a_line(), held="10.000000001"), "position ALFA"),
        (word(a_line(fee=D("0.36"))), "x"),
        (word(a_line(fee_currency="EUR")), "x"),
        (word(a_line(price=D("100.02"))), "x"),
        (word(a_line(quantity=D("10.000000001"))), "x"),
        (word(a_line(side="sell")), "x"),
        (word(), "x"),
        (word(a_line(), a_line("y")), "y"),
    ],
)
def test_a_cent_or_a_billionth_of_a_unit_is_a_break(theirs: Word, key: str) -> None:
    assert keys(word(a_line()), theirs) == [key]


def test_orders_open_on_one_side_only_are_breaks() -> None:
    assert keys(word(open_={"a", "b"}), word(open_={"a"})) == ["order b"]
    assert keys(word(), word(open_={"c", "d"}), ended={"c"}) == ["order c"]


def test_a_ledger_that_does_not_sum_to_zero_is_a_break() -> None:
    assert keys(word(), word(), off={"USD": D("0.000000000001")}) == ["ledger USD"]


def test_a_fill_of_another_day_is_that_days_business() -> None:
    before, after = a_line("b", executed_at=DAY.start - 1), a_line("a", executed_at=DAY.end)
    assert keys(word(before), word(after)) == []
    first = a_line("f", executed_at=DAY.start)
    assert keys(word(first), word(before, after)) == ["f"]


def test_an_execution_that_the_venue_took_back_and_lists_no_more_is_none() -> None:
    back = a_line("bust:1", side="sell", fee=D("-0.35"))
    assert keys(word(a_line(), back), word()) == []
    assert keys(word(a_line(), a_line("y"), back), word()) == ["y"]  # one was taken back, the other is missing


def test_the_same_difference_is_the_same_ticket_on_another_day_and_another_amount_another() -> None:
    one, other = (breaks("paper", DAY, word(), word(cash=cash), set(), {}) for cash in ("100.01", "100.02"))
    moved = breaks("paper", Day(2000, 3000), word(cash="50"), word(cash="50.01"), set(), {})
    assert agreed(one, moved) == moved
    assert agreed(one, other) == []


amounts = some.decimals(min_value=-1000, max_value=1000, places=12)


@given(amounts, amounts)
def test_amounts_break_exactly_when_they_differ(ours: Decimal, theirs: Decimal) -> None:
    assert keys(word(cash=str(ours)), word(cash=str(theirs))) == ([] if ours == theirs else ["cash USD"])
