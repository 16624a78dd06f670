"""How money is counted: in whole parts of the currency, as few to one of it as are exact, so that large accounts fit a machine number."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction
from functools import cache
from math import lcm
from typing import Final

from libs.domain.instruments import Instrument
from libs.quant.backtest.setup import Setup
from libs.quant.compiled.layout import MONEY

_DECIMALS: Final = 12


def parts_of(instruments: Iterable[Instrument], setup: Setup) -> int:
    """Parts of the currency: of amounts that have more than twelve decimals `MONEY`, to which fees are rounded."""
    denominators = {amount.denominator for amount in _amounts(instruments, setup)}
    common = lcm(*denominators)
    return next((10**n for n in range(_DECIMALS) if 10**n % common == 0), MONEY)


def _amounts(instruments: Iterable[Instrument], setup: Setup) -> Iterator[Fraction]:
    """All of which money is made."""
    terms = setup.terms
    yield from map(Fraction, (setup.deposit, terms.fee_min))
    if setup.financing is not None:  # what is charged for holding has all twelve decimals
        yield Fraction(1, MONEY)
    for tick, lot, multiplier, least in {(i.tick, i.lot, i.multiplier, i.min_notional) for i in instruments}:
        worth = Fraction(tick) * Fraction(lot) * Fraction(multiplier)
        yield from (worth, worth * Fraction(terms.fee_bps) / 10_000, Fraction(lot) * Fraction(terms.fee_per_unit), Fraction(least))


@cache
def counted(amount: Decimal, parts: int) -> int | None:
    """An amount in such parts; None where it is no whole number of them, or too large."""
    count = Fraction(amount) * parts
    return int(count) if count.denominator == 1 and abs(count) < 2**63 else None


def amount_of(count: int, parts: int) -> Decimal:
    """So many parts as an amount."""
    return (Decimal(count) / parts).quantize(Decimal(1).scaleb(-_DECIMALS))
