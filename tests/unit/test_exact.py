"""Whole numbers of machine code, beside Python's own."""

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.quant.compiled.exact import half_even, product, quotient, share_of, total

WHOLE = st.integers(-(2**63) + 1, 2**63 - 1)
BELOW = st.integers(1, 2**52) | st.sampled_from([10**12, 10**10, 2**52, 5**20])


@settings(max_examples=2_000, deadline=None)  # the first call reads machine code
@given(WHOLE, BELOW)
def test_a_quotient_is_the_float_nearest_to_it(above: int, below: int) -> None:
    assert quotient(above, below) == above / below


@settings(max_examples=500, deadline=None)
@given(st.integers(2**52, 2**53 - 1), st.integers(1, 9))
def test_half_way_between_two_floats_it_is_the_even_one(digits: int, places: int) -> None:
    assert quotient(2 * digits + 1, 2**places) == (2 * digits + 1) / 2**places


@settings(deadline=None)
@given(st.integers(-(10**6), 10**6), st.integers(0, 10**9), st.integers(1, 10**6))
def test_half_even_rounds_as_decimal_does(whole: int, above: int, below: int) -> None:
    exactly = (Decimal(whole) * below + above) / below
    assert half_even(whole, above, below) == int(exactly.quantize(Decimal(1), ROUND_HALF_EVEN))


@settings(max_examples=1_000, deadline=None)
@given(st.integers(0, 2**63 - 1), st.integers(1, 2**62), st.integers(1, 2**62))
def test_a_share_of_an_amount_is_exact_also_where_the_product_does_not_fit(amount: int, one: int, other: int) -> None:
    part, all_ = sorted((one, other))
    assert share_of(amount, part, all_) == divmod(amount * part, all_)


@settings(deadline=None)
@given(WHOLE, WHOLE)
def test_what_does_not_fit_raises_and_never_wraps_round(a: int, b: int) -> None:
    for found, exactly in ((product, a * b), (total, a + b)):
        if abs(exactly) < 9 * 10**18:
            assert found(a, b) == exactly
        elif abs(exactly) > 2**63:
            with pytest.raises(OverflowError):
                found(a, b)
