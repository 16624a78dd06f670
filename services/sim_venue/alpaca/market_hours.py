"""/v2/clock and /v2/calendar: market time, and when the market of stocks is open. Times of day are New York's."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final

from aiohttp import web

from libs.quant.calendars import Session, close_of, is_open, next_open, session_of, sessions
from services.sim_venue.alpaca import query
from services.sim_venue.alpaca.door import Call
from services.sim_venue.alpaca.errors import bad_value, unprocessable
from services.sim_venue.alpaca.wire import Json, answer, local, midnight

CALENDAR: Final = "us_equity"
FIRST_DAY: Final = date(1970, 1, 1)
LAST_DAY: Final = date(2029, 12, 31)


def clock_json(now: int) -> Json:
    """The clock at `now`, market time."""
    opens = next_open(CALENDAR, now + 1)
    session = session_of(CALENDAR, now)
    return {
        "timestamp": _local(now),
        "is_open": is_open(CALENDAR, now),
        "next_open": _local(opens),
        "next_close": _local(session.close if session is not None else close_of(CALENDAR, opens)),
    }


def days(start: date, end: date) -> Iterator[Json]:
    """The trading days of [start, end]. `session_open` and `session_close` are those of extended hours, as Alpaca gives them."""
    for session in sessions(CALENDAR, midnight(start), midnight(end + timedelta(days=1))):
        yield _day(session)


async def clock(call: Call) -> web.Response:
    """GET /v2/clock"""
    return answer(clock_json(call.now))


async def calendar(call: Call) -> web.Response:
    """GET /v2/calendar?start=&end="""
    query.choice(call.query, "date_type", ("TRADING", "SETTLEMENT"), "TRADING")
    start, end = _date(call, "start", FIRST_DAY), _date(call, "end", LAST_DAY)
    if end < start:
        raise unprocessable("end must not be before start")
    return answer(list(days(max(start, FIRST_DAY), min(end, LAST_DAY))))


def _day(session: Session) -> Json:
    return {
        "date": session.date.isoformat(),
        "open": local(session.open).strftime("%H:%M"),
        "close": local(session.close).strftime("%H:%M"),
        "session_open": "0400",
        "session_close": "2000" if local(session.close).hour == 16 else "1700",
    }


def _date(call: Call, name: str, default: date) -> date:
    given = call.query.get(name, "")
    if not given:
        return default
    try:
        return date.fromisoformat(given[:10])
    except ValueError as error:
        raise bad_value(f"invalid {name}: expected a date like 2024-01-02") from error


def _local(ns: int) -> str:
    return local(ns).isoformat()
