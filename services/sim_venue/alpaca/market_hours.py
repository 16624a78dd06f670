"""/v2/clock and /v2/calendar: market time, and when the market of stocks is open. Times of day are New York's."""

import asyncio
from datetime import date
from functools import lru_cache
from typing import Final

from aiohttp import web

from libs.quant.calendars import Session, close_of, is_open, next_open, session_of, sessions
from services.sim_venue.alpaca import query
from services.sim_venue.alpaca.door import Call
from services.sim_venue.alpaca.errors import bad_value, unprocessable
from services.sim_venue.alpaca.wire import Json, Rows, answer, local, midnight

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


async def clock(call: Call) -> web.Response:
    """GET /v2/clock"""
    return answer(clock_json(call.now))


async def calendar(call: Call) -> web.Response:
    """GET /v2/calendar?start=&end=: the trading days of both and between, or all from 1970 to 2029."""
    query.choice(call.query, "date_type", ("TRADING", "SETTLEMENT"), "TRADING")
    start, end = _date(call, "start", FIRST_DAY), _date(call, "end", LAST_DAY)
    if end < start:
        raise unprocessable("end must not be before start")
    rows: Rows = []
    for year in range(max(start, FIRST_DAY).year, min(end, LAST_DAY).year + 1):
        rows += [day for day in _days(year) if start.isoformat() <= str(day["date"]) <= end.isoformat()]
        await asyncio.sleep(0)  # all sixty years take a second to work out: nobody shall wait for that
    return answer(rows)


@lru_cache(maxsize=LAST_DAY.year - FIRST_DAY.year + 1)
def _days(year: int) -> Rows:
    return [_day(session) for session in sessions(CALENDAR, midnight(date(year, 1, 1)), midnight(date(year + 1, 1, 1)))]


def _day(session: Session) -> Json:
    """`session_open` and `session_close` are those of extended hours, as Alpaca gives them; nothing trades then at this venue."""
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
