"""C03, by symbol: whether the market of a symbol has fallen silent while it is open. Pure."""

from typing import Final

from libs.domain.instruments import Calendar
from libs.domain.times import SECOND
from libs.quant.calendars import session_of

HOST_SLACK_S: Final = 3.0
"""Host seconds that a word may take to come, as for the market's clock: at many times its speed that is a long time of a market."""

BARS: Final = 2
"""Lengths of a bar that may pass where only bars are heard: one is under way, and in one nothing may have been traded."""


def silent(calendar: Calendar, now: int, heard: int, *, most_s: float, speed: float, bar_ns: int = 0, grace_ns: int = 0) -> bool:
    """Whether nothing was said of a symbol for longer than it may be; never while its market is shut.

    Args:
        now, heard: market ns; `heard` is the time of its newest word.
        most_s: market seconds that a symbol of its class may be silent.
        speed: market seconds in a host second.
        bar_ns: length of a bar where nothing but bars is heard; else 0.
        grace_ns: after which a bar is known.
    """
    session = session_of(calendar, now)
    if session is None:
        return False
    allowed = int((most_s + HOST_SLACK_S * speed) * SECOND) + BARS * bar_ns + (grace_ns if bar_ns else 0)
    return now - max(heard, session.open) > allowed
