"""When orders end: by the date they were given, or with the session that they are for."""

from libs.domain.instruments import Calendar
from libs.quant.calendars import close_of, next_open, session_of
from libs.quant.sim_venue.orders import NewOrder
from libs.quant.sim_venue.state import FOREVER


def end_of(asked: NewOrder, calendar: Calendar, at: int) -> int:
    """Market time at which an order sent at `at` expires."""
    if asked.tif == "GTD":
        return FOREVER if asked.expires_at is None else asked.expires_at
    return close_from(calendar, at) if asked.tif == "DAY" else FOREVER


def close_from(calendar: Calendar, at: int) -> int:
    """Close of the session at `at`; while the market is shut, of the next one."""
    session = session_of(calendar, at)
    return close_of(calendar, next_open(calendar, at)) if session is None else session.close
