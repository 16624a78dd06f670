"""Amounts as the record keeps them."""

from decimal import ROUND_HALF_UP, Decimal, localcontext

from libs.domain.amounts import kept


def test_half_a_step_goes_to_the_even_one_whatever_the_process_rounds_by() -> None:
    with localcontext() as context:
        context.rounding = ROUND_HALF_UP
        assert kept(Decimal("0.2140723641745")) == Decimal("0.214072364174")
        assert kept(Decimal("0.2140723641755")) == Decimal("0.214072364176")
