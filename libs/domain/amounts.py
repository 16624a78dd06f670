"""Money, prices and quantities as the record keeps them."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

STEP: Final = Decimal(1).scaleb(-12)


def kept(amount: Decimal) -> Decimal:
    """To twelve decimals, half to even: said here and not left to the process, whose rounding a library may have changed."""
    return amount.quantize(STEP, ROUND_HALF_EVEN)
