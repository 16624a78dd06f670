"""Hours that local clocks skip in spring and show twice in autumn: the mark local time leaves in a file that should be UTC."""

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

HOUR_NS: Final = 3_600_000_000_000
_LAST: Final = -1


class _Change(NamedTuple):
    """A Sunday on which clocks change, and the hours of the wall that may be concerned."""

    month: int
    sunday: int  # 1 is the first of the month
    hours: frozenset[int]


# The European hours are those of London, Berlin and Athens. America moved its Sundays in 2007.
_SKIPPED: Final = (
    _Change(3, _LAST, frozenset({1, 2, 3})),
    _Change(3, 2, frozenset({2})),
    _Change(4, 1, frozenset({2})),
    _Change(10, 1, frozenset({2})),  # Sydney
)
_REPEATED: Final = (
    _Change(10, _LAST, frozenset({1, 2, 3})),
    _Change(11, 1, frozenset({1})),
    _Change(4, 1, frozenset({2})),  # Sydney
)


def is_skipped(wall_ns: int) -> bool:
    """Whether clocks of Europe, North America or Sydney skip the hour that begins at `wall_ns`, read as their wall time."""
    return wall_ns % HOUR_NS == 0 and any(_matches(change, wall_ns) for change in _SKIPPED)


def is_repeated(wall_ns: int) -> bool:
    """Whether `wall_ns`, read as wall time, lies in an hour that those clocks show twice."""
    return any(_matches(change, wall_ns) for change in _REPEATED)


def _matches(change: _Change, wall_ns: int) -> bool:
    wall = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=wall_ns // 1000)
    if wall.weekday() != 6 or wall.month != change.month or wall.hour not in change.hours:
        return False
    if change.sunday == _LAST:
        return wall.day + 7 > monthrange(wall.year, wall.month)[1]
    return (wall.day - 1) // 7 + 1 == change.sunday
