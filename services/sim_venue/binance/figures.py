"""Numbers and times in the venue's spelling: decimals are strings of eight places, times whole milliseconds."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

PLACES: Final = Decimal("0.00000001")
ZERO: Final = "0.00000000"
NS_PER_MS: Final = 1_000_000


def exact(value: Decimal) -> str:
    """Eight places, or as many as it takes: money is never rounded on its way out."""
    eight = value.quantize(PLACES, ROUND_HALF_EVEN)
    return f"{eight:f}" if eight == value else f"{value.normalize():f}"


def rate(value: Decimal) -> str:
    """Eight places of a share, from basis points."""
    return f"{(value / 10_000).quantize(PLACES, ROUND_HALF_EVEN):f}"


def shown(value: float) -> str:
    """Eight places of a market figure, which is a float from the feed on."""
    return f"{value:.8f}"


def ms(ns: int) -> int:
    """Nanoseconds as the wire has them; a time within a millisecond belongs to its beginning."""
    return ns // NS_PER_MS


def ns(milliseconds: int) -> int:
    """Milliseconds of the wire in nanoseconds."""
    return milliseconds * NS_PER_MS
