"""What one unit of a currency is worth in another: from the pairs that the market quotes, and from configured pegs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from libs.domain.times import SECOND
from libs.quant.portfolio.marks import Mark

MOST_AGE_NS: Final = 60 * SECOND
"""An older pair, in market time, is no rate."""


class NoRate(LookupError):
    """Money in a currency that nothing converts: what it is worth is not known."""


class Peg(NamedTuple):
    """What the operator declares one unit of a currency to be worth."""

    currency: str
    to: str
    rate: float


def rate(currency: str, base: str, mids: Mapping[str, Mark], pegs: Sequence[Peg], now: int) -> float | None:
    """Units of `base` for one of `currency`; None when nothing fresh says so.

    In this order: the same currency is 1; a peg, in either direction; the middle of `currency/base`; one over that of
    `base/currency`. Only pairs of the two are taken: no way over a third currency.

    Args:
        mids: by symbol; one older than 60 s at `now` (market ns) does not count.
    """
    if currency == base:
        return 1.0
    for peg in pegs:
        if (peg.currency, peg.to) == (currency, base):
            return peg.rate
        if (peg.to, peg.currency) == (currency, base):
            return 1.0 / peg.rate
    if (direct := _fresh(mids.get(f"{currency}/{base}"), now)) is not None:
        return direct
    inverse = _fresh(mids.get(f"{base}/{currency}"), now)
    return None if inverse is None else 1.0 / inverse


def rates(currencies: Iterable[str], base: str, mids: Mapping[str, Mark], pegs: Sequence[Peg], now: int) -> dict[str, float]:
    """The rates to `base`, by currency.

    Raises:
        NoRate: one has none; the text names it.
    """
    found = {}
    for currency in sorted(set(currencies)):
        known = rate(currency, base, mids, pegs, now)
        if known is None:
            raise NoRate(f"no rate of {currency} to {base}: no quote of the pair within {MOST_AGE_NS // SECOND} s, and no peg")
        found[currency] = known
    return found


def _fresh(mid: Mark | None, now: int) -> float | None:
    return mid.price if mid is not None and mid.price > 0 and now - mid.at <= MOST_AGE_NS else None
