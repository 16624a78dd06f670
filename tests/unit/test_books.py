from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.books import Position, apply

D = Decimal
ONE = D(1)
Fills = Sequence[tuple[Decimal, Decimal]]
fills = st.lists(
    st.tuples(
        st.integers(-1000, 1000).filter(bool).map(lambda lots: D(lots) / 100),
        st.integers(1, 1_000_000).map(lambda ticks: D(ticks) / 100),
    ),
    max_size=30,
)


def booked(history: Fills, multiplier: Decimal = ONE) -> tuple[Position, list[Decimal]]:
    held, pnls = Position(), []
    for change, price in history:
        held, pnl = apply(held, change, price, multiplier)
        pnls.append(pnl)
    return held, pnls


@pytest.mark.parametrize(
    ("history", "quantity", "cost", "realised"),
    [
        pytest.param([("10", "100")], "10", "100", "0", id="opening"),
        pytest.param([("10", "100"), ("30", "104")], "40", "103", "0", id="adding moves the average"),
        pytest.param([("10", "100"), ("-4", "110")], "6", "100", "40", id="shrinking realises and keeps the average"),
        pytest.param([("10", "100"), ("-10", "90")], "0", "0", "-100", id="closing"),
        pytest.param([("10", "100"), ("-15", "110")], "-5", "110", "100", id="flipping closes all and opens at the price"),
        pytest.param([("-10", "100"), ("-10", "110")], "-20", "105", "0", id="adding to a short"),
        pytest.param([("-10", "100"), ("4", "90")], "-6", "100", "40", id="covering"),
        pytest.param([("-10", "100"), ("25", "120")], "15", "120", "-200", id="flipping a short"),
        pytest.param([("3", "1"), ("4", "2")], "7", "1.571428571429", "0", id="an average has twelve decimals"),
    ],
)
def test_average_cost_by_hand(history: list[tuple[str, str]], quantity: str, cost: str, realised: str) -> None:
    held, pnls = booked([(D(q), D(p)) for q, p in history])
    assert held == Position(D(quantity), D(cost), D(realised))
    assert sum(pnls) == D(realised)


@given(history=fills)
def test_a_position_is_the_sum_of_its_fills(history: Fills) -> None:
    held, pnls = booked(history)
    assert held.quantity == sum((change for change, _ in history), D(0))
    assert held.realized_pnl == sum(pnls, D(0))
    assert held.quantity != 0 or held.avg_cost == 0


@given(history=fills, mark=st.integers(1, 1_000_000).map(lambda t: D(t) / 100), multiplier=st.sampled_from([ONE, D(50)]))
def test_realised_and_unrealised_are_what_was_paid_against_what_it_is_worth(history: Fills, mark: Decimal, multiplier: Decimal) -> None:
    held, _ = booked(history, multiplier)
    unrealised = (mark - held.avg_cost) * held.quantity * multiplier
    worth_less_paid = sum((change * (mark - price) for change, price in history), D(0)) * multiplier
    rounding = D("1e-12") * sum(abs(change) for change, _ in history) * multiplier * len(history)
    assert abs(held.realized_pnl + unrealised - worth_less_paid) <= rounding


@given(history=fills)
def test_an_average_lies_between_the_prices_paid(history: Fills) -> None:
    held, _ = booked(history)
    prices = [price for _, price in history]
    assert held.quantity == 0 or min(prices) - D("1e-11") <= held.avg_cost <= max(prices) + D("1e-11")
