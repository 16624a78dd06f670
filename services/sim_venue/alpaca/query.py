"""What clients write behind the question mark, read strictly: a value that makes no sense is refused by its name."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

from services.sim_venue.alpaca.errors import bad_value
from services.sim_venue.alpaca.wire import instant

Query = Mapping[str, str]

LATEST: Final = 7_258_118_400_000_000_000
"""2200-01-01. Some clients write their "for ever" as the year 9999, whose days no calendar counts."""

_YES: Final = ("true", "1", "t")
_NO: Final = ("false", "0", "f", "")


def whole(query: Query, name: str, default: int, least: int, most: int) -> int:
    """A number; one above `most` is refused, as Alpaca does."""
    given = query.get(name, "")
    if not given:
        return default
    if not given.isascii() or not given.isdecimal() or len(given) > 12 or not least <= int(given) <= most:
        raise bad_value(f"invalid {name}: expected a whole number from {least} to {most}")
    return int(given)


def flag(query: Query, name: str) -> bool:
    """True or false, in the spellings that clients in Go, Python and JavaScript send."""
    given = query.get(name, "").lower()
    if given not in _YES and given not in _NO:
        raise bad_value(f"invalid {name}: expected true or false")
    return given in _YES


def choice(query: Query, name: str, among: Sequence[str], default: str) -> str:
    """One of several words."""
    given = query.get(name, "") or default
    if given not in among:
        raise bad_value(f"invalid {name}: expected one of {', '.join(among)}")
    return given


def time(query: Query, name: str) -> int | None:
    """A time in RFC 3339, or a date; UTC nanoseconds. One that no market has is read as the nearest that one may have."""
    given = query.get(name, "")
    if not given:
        return None
    try:
        return min(max(instant(given), 0), LATEST)
    except (ValueError, OverflowError) as error:
        raise bad_value(f"invalid {name}: expected RFC 3339 like 2024-01-02T15:04:05Z, or 2024-01-02") from error


def words(query: Query, name: str) -> list[str]:
    """What is separated by commas, each once, in order."""
    return list(dict.fromkeys(word for word in query.get(name, "").split(",") if word))


def number(query: Query, name: str) -> Decimal | None:
    """A decimal above 0, of a size that trading knows."""
    given = query.get(name, "")
    if not given:
        return None
    try:
        value = Decimal(given)
    except InvalidOperation as error:
        raise bad_value(f"invalid {name}: expected a number") from error
    if not sensible(value):
        raise bad_value(f"invalid {name}: expected a number above 0")
    return value


def sensible(value: Decimal) -> bool:
    """Whether it is above 0, and neither huge nor endless: 1e999999999 is a number to a parser, and work without end to us."""
    return value.is_finite() and value > 0 and -12 <= value.adjusted() <= 12 and len(value.as_tuple().digits) <= 28
