"""Marks and rates: the middle of the spread, the units held, and no rate that nothing fresh says."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.actions import CorporateAction
from libs.quant.portfolio.fx import NoRate, Peg, rate, rates
from libs.quant.portfolio.marks import Mark, exact, in_held_units, price_of
from tests.factories import NOON, SECOND

D = Decimal
PEG = Peg("USDT", "USD", 1.0)


def an_action(kind: Any = "split", effective: int = NOON, **changed: Any) -> CorporateAction:
    return CorporateAction(venue="TEST", symbol="ALFA", effective=effective, kind=kind, **changed)


SPLIT = an_action(ratio=D(4))
DIVIDEND = an_action("dividend", cash=D("0.50"))
RENAME = an_action("rename", new_symbol="NEWA")


@pytest.mark.parametrize(("quoted", "price"), [((99.0, 101.0, 100.5), 100.0), ((None, 101.0, 100.5), 100.5), ((None, None, None), None)])
def test_a_price_is_the_middle_of_the_spread_or_the_last_trade(quoted: Sequence[Any], price: float | None) -> None:
    assert price_of(*quoted) == price


@given(st.integers(1, 10**9), st.integers(0, 6))
def test_a_price_on_a_grid_is_exact(ticks: int, decimals: int) -> None:
    price = D(ticks).scaleb(-decimals)
    assert exact(float(price)) == price


def test_an_average_of_prices_is_rounded_as_the_database_rounds_it() -> None:
    assert exact((0.1 + 0.7) / 2) == D("0.4")


@pytest.mark.parametrize(
    ("action", "booked", "seen", "price"),
    [
        (SPLIT, True, NOON - 1, 100.0),  # an old price, new units
        (SPLIT, True, NOON, 400.0),
        (SPLIT, False, NOON - 1, 400.0),
        (SPLIT, False, NOON, 1600.0),  # a new price, old units
        (DIVIDEND, True, NOON - 1, 399.5),
        (DIVIDEND, False, NOON, 400.5),
    ],
)
def test_a_price_is_told_in_the_units_that_the_books_hold(action: CorporateAction, booked: bool, seen: int, price: float) -> None:
    found = in_held_units({"ALFA": Mark(400.0, seen)}, [action], [action.key] if booked else [])
    assert found["ALFA"] == Mark(price, seen)


def test_actions_are_undone_in_the_opposite_order() -> None:
    both = [DIVIDEND, an_action(ratio=D(2), effective=NOON + 1)]
    keys = [action.key for action in both]
    old = in_held_units({"ALFA": Mark(100.0, NOON + 1)}, both, [])["ALFA"]
    assert old.price == 100.0 * 2 + 0.5
    assert in_held_units({"ALFA": Mark(old.price, NOON - 1)}, both, keys)["ALFA"].price == 100.0


def test_a_renamed_symbol_has_the_old_ones_price_until_it_has_its_own() -> None:
    old = {"ALFA": Mark(100.0, NOON - 1)}
    assert in_held_units(old, [RENAME], [RENAME.key])["NEWA"] == Mark(100.0, NOON - 1)
    assert in_held_units(old | {"NEWA": Mark(101.0, NOON)}, [RENAME], [RENAME.key])["NEWA"] == Mark(101.0, NOON)
    assert "NEWA" not in in_held_units(old, [RENAME], [])


@pytest.mark.parametrize(
    ("currency", "mids", "pegs", "found"),
    [
        ("USD", {}, [], 1.0),
        ("EUR", {"EUR/USD": Mark(1.25, NOON)}, [], 1.25),
        ("JPY", {"USD/JPY": Mark(160.0, NOON)}, [], 1 / 160.0),
        ("EUR", {"EUR/USD": Mark(1.25, NOON - 60 * SECOND)}, [], 1.25),
        ("EUR", {"EUR/USD": Mark(1.25, NOON - 60 * SECOND - 1)}, [], None),
        ("EUR", {"EUR/USD": Mark(1.25, NOON - 61 * SECOND), "USD/EUR": Mark(0.5, NOON)}, [], 2.0),
        ("EUR", {"EUR/USD": Mark(0.0, NOON)}, [], None),
        ("EUR", {"EUR/GBP": Mark(0.8, NOON), "GBP/USD": Mark(1.3, NOON)}, [], None),  # no way over a third
        ("USDT", {}, [], None),
        ("USDT", {}, [PEG], 1.0),
        ("USDT", {"USDT/USD": Mark(0.97, NOON)}, [PEG], 1.0),
        ("USDT", {"USDT/USD": Mark(0.97, NOON)}, [], 0.97),
    ],
)
def test_a_rate_is_a_peg_or_a_fresh_pair_or_none(currency: str, mids: dict[str, Mark], pegs: list[Peg], found: float | None) -> None:
    assert rate(currency, "USD", mids, pegs, NOON) == found


def test_a_peg_counts_in_both_directions() -> None:
    assert rate("USD", "USDT", {}, [Peg("USDT", "USD", 0.5)], NOON) == 2.0


def test_a_missing_rate_is_named() -> None:
    with pytest.raises(NoRate, match="no rate of GBP to USD"):
        rates({"USD", "GBP"}, "USD", {}, [], NOON)
