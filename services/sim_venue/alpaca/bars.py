"""Bars of any length that Alpaca has, from the tape's minutes.

Minutes and hours count from the epoch; days, weeks (from Monday) and months begin at midnight in New York and are labelled by it.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import msgspec

from libs.domain.market import Bar
from libs.domain.times import SECOND
from services.sim_venue.alpaca.errors import bad_value
from services.sim_venue.alpaca.wire import local, midnight
from services.sim_venue.tape import Tape

MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
_WRITTEN: Final = re.compile(r"([1-9][0-9]?)(Min|T|Hour|H|Day|D|Week|W|Month|M)")
_UNITS: Final = {"Min": "T", "Hour": "H", "Day": "D", "Week": "W", "Month": "M"}
_LENGTHS: Final = {"T": range(1, 60), "H": range(1, 24), "D": (1,), "W": (1,), "M": (1, 2, 3, 4, 6, 12)}

BeginsAt = Callable[[int], int]
"""When the bar that a moment lies in begins; UTC nanoseconds."""


def timeframe(written: str) -> BeginsAt:
    """`1Min` to `59Min`, `1Hour` to `23Hour`, `1Day`, `1Week`, `1Month` to `12Month`, and their short forms (`5T`, `1D`)."""
    found = _WRITTEN.fullmatch(written)
    unit = _UNITS.get(found[2], found[2]) if found else ""
    if found is None or int(found[1]) not in _LENGTHS[unit]:
        raise bad_value(f"invalid timeframe: {written[:20]}")
    count = int(found[1])
    if unit in "TH":
        length = count * (MINUTE if unit == "T" else HOUR)
        return lambda ns: ns - ns % length
    return lambda ns: midnight(_first_day(local(ns).date(), unit, count))


def bars(tape: Tape, symbol: str, begins: BeginsAt, start: int, end: int, limit: int) -> list[Bar]:
    """The oldest `limit` bars that begin in [start, end), each whole, as far as the market has come."""
    return _take(_joined(_minutes(tape, symbol, begins(start)), begins), start, end, limit)


def newest(tape: Tape, symbol: str, begins: BeginsAt, at: int, count: int = 1, reach: int = DAY) -> list[Bar]:
    """The newest `count` bars that have begun by `at`, oldest first. `reach` is how far back to look first."""
    while True:
        found = bars(tape, symbol, begins, at - reach, at + 1, 1_000_000)
        if len(found) >= count or reach > 400 * DAY:
            return found[-count:]
        reach *= 8


def _minutes(tape: Tape, symbol: str, start: int) -> Iterator[Bar]:
    """Minutes from `start` on; the reader stops."""
    page = 10_000
    while True:
        found: Sequence[Bar] = tape.bars(symbol, "1m", start, tape.now + 1, page)
        yield from found
        if len(found) < page:
            return
        start = found[-1].start + MINUTE


def _joined(minutes: Iterator[Bar], begins: BeginsAt) -> Iterator[Bar]:
    open_: Bar | None = None
    for minute in minutes:
        start = begins(minute.start)
        if open_ is not None and open_.start == start:
            open_ = _with(open_, minute)
            continue
        if open_ is not None:
            yield open_
        open_ = msgspec.structs.replace(minute, start=start)
    if open_ is not None:
        yield open_


def _with(bar: Bar, minute: Bar) -> Bar:
    return msgspec.structs.replace(
        bar,
        high=max(bar.high, minute.high),
        low=min(bar.low, minute.low),
        close=minute.close,
        volume=bar.volume + minute.volume,
    )


def _take(found: Iterator[Bar], start: int, end: int, limit: int) -> list[Bar]:
    taken: list[Bar] = []
    for bar in found:
        if bar.start >= end or len(taken) >= limit:
            break
        if bar.start >= start:
            taken.append(bar)
    return taken


def _first_day(on: date, unit: str, count: int) -> date:
    """Of the day, week or months that a day lies in."""
    match unit:
        case "W":
            return on - timedelta(days=on.weekday())
        case "M":
            return date(on.year, (on.month - 1) // count * count + 1, 1)
        case _:
            return on
