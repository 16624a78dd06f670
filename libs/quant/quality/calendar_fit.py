"""Which calendar the bars of a file look like, where one clearly fits: a person then has a name to give."""

from typing import Final, NamedTuple

from libs.domain.instruments import CALENDARS, Calendar
from libs.quant.quality.series import Series
from libs.quant.quality.sessions import beside_the_calendar

OUTSIDE: Final = 0.01
"""Share of the bars that may lie outside of all sessions of a calendar that fits."""
CLEARLY: Final = 3
"""By so many times as much is the next best calendar wrong, and by that many bars at the least."""


class _Beside(NamedTuple):
    """What is wrong about bars, were they of this calendar."""

    amiss: int  # bars outside of all sessions, and bars or sessions that are missing
    outside: int
    zone: bool  # they fit in another zone only
    calendar: Calendar


def fitting(series: Series) -> Calendar | None:
    """The calendar whose sessions hold nearly all bars and lack few, when no other does about as well; None when none does."""
    best, *others = sorted(_beside(series, calendar) for calendar in CALENDARS.values() if calendar != "24/7")
    count = len(series.start)
    fits = not best.zone and best.outside <= OUTSIDE * count and best.amiss < count
    return best.calendar if fits and all(other.amiss >= CLEARLY * (best.amiss + 1) for other in others) else None


def _beside(series: Series, calendar: Calendar) -> _Beside:
    found = list(beside_the_calendar(series, calendar))
    outside = sum(finding.count for finding in found if finding.kind == "outside_session")
    zone = any(finding.kind == "zone" for finding in found)
    return _Beside(sum(finding.count for finding in found), outside, zone, calendar)
