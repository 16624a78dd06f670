"""What the cells of a recorded row say: times and numbers, or why there are none."""

from collections.abc import Sequence
from datetime import date
from math import isfinite
from typing import Final

from libs.domain.instruments import Calendar
from libs.domain.times import nanoseconds
from libs.quant.calendars import DAY, sessions
from libs.venues.replay.dataset import COLUMNS, Recording
from libs.venues.replay.files import Cell, Row

_EPOCH: Final = date(1970, 1, 1).toordinal()
_SIDES: Final = (slice(0, 4), slice(5, 9))  # prices of the bid and of the ask in a row of quote bars


class Unreadable(ValueError):
    """A row says nothing that can be used. The message is `code: expected ..., got ...`."""


class NothingToTradeOn(Exception):
    """A row is as it should be and of no use. The message is the reason it is counted under."""


def symbol_of(recording: Recording, row: Row) -> str | None:
    """Whose row it is; None when it is of a symbol that the recording is not read for."""
    if recording.symbol is not None:
        return recording.symbol
    if not row.whole:
        return ""
    said = str(row.cells[1 + len(recording.columns)])
    return recording.symbols.get(said) if recording.symbols else said[:32]


def start_of(recording: Recording, row: Row, calendar: Calendar | None) -> int:
    """When the row begins, UTC nanoseconds: a tick its moment, a bar its start.

    Raises:
        Unreadable: it has no time, or a date on which `calendar` has no session.
    """
    if not row.whole:
        raise Unreadable(f"cells: expected as many as there are columns, got {len(row.cells)}")
    ts = _time(row.cells[0])
    if recording.stamp == "end":
        return ts - recording.length
    return _session_start(calendar, ts) if recording.stamp == "date" and calendar is not None else ts


def numbers_of(recording: Recording, row: Row) -> list[float]:
    """The numbers of a row, in the order of its layout.

    Raises:
        Unreadable: one is missing or no number.
        NothingToTradeOn: `suspicious` or `one_sided`.
    """
    if recording.suspicious and str(row.cells[-1]).lower() in ("true", "1"):
        raise NothingToTradeOn("suspicious")
    cells = row.cells[1 : 1 + len(recording.columns)]
    if recording.shown is not None:
        shown = recording.shown
        cells = (*cells[:4], shown, *cells[4:], shown) if recording.layout == "quote_bars" else (*cells, shown, shown)
    if _one_sided(recording, cells):
        raise NothingToTradeOn("one_sided")
    return [_number(name, cell) for name, cell in zip(COLUMNS[recording.layout], cells, strict=True)]


def _session_start(calendar: Calendar, midnight: int) -> int:
    """Open of the session of a date, which is given as its midnight without a zone."""
    on = date.fromordinal(_EPOCH + midnight // DAY)
    for session in sessions(calendar, midnight - DAY, midnight + 2 * DAY):
        if session.date == on:
            return session.open
    raise Unreadable(f"no_session: expected a date on which {calendar} has a session, got {on}")


def _time(cell: Cell) -> int:
    if isinstance(cell, int):
        return cell
    try:
        return nanoseconds(str(cell))
    except ValueError as error:
        raise Unreadable(f"not_a_time: expected a time as ts, got {cell!r}") from error


def _one_sided(recording: Recording, cells: Sequence[Cell]) -> bool:
    """Whether a quote says nothing at all of one side, and something of the other."""
    if recording.layout == "quote_bars":
        bid, ask = (all(map(_is_empty, cells[side])) for side in _SIDES)
    elif recording.layout == "quotes":
        bid, ask = _is_empty(cells[0]), _is_empty(cells[1])
    else:
        return False
    return bid != ask


def _is_empty(cell: Cell) -> bool:
    return cell is None or cell == "" or cell != cell


def _number(name: str, cell: Cell) -> float:
    if cell is None or cell == "":
        raise Unreadable(f"missing: expected a number as {name}, got nothing")
    try:
        value = float(cell)
    except (TypeError, ValueError, OverflowError) as error:
        raise Unreadable(f"not_a_number: expected a number as {name}, got {cell!r}") from error
    if not isfinite(value):
        raise Unreadable(f"not_finite: expected a number as {name}, got {value}")
    return value
