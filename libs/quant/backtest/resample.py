"""Coarser bars made of finer ones, as the fleet makes them of ticks: on the same grid, and none before it is over."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from libs.domain.columns import Columns
from libs.domain.instruments import Calendar
from libs.domain.names import TIMEFRAMES
from libs.quant.backtest.tape import Tape
from libs.quant.calendars import sessions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Times = NDArray[np.int64]


def with_timeframes(tape: Tape, wanted: Iterable[str]) -> Tape:
    """The tape with bars of these timeframes too, made of its finest where it has none of its own.

    Raises:
        ValueError: one is finer than the finest bars there are.
    """
    finest = tape.timeframes[0]
    missing = sorted(set(wanted) - set(tape.bars), key=TIMEFRAMES.__getitem__)
    if not missing:
        return tape
    if TIMEFRAMES[missing[0]] < TIMEFRAMES[finest]:
        raise ValueError(f"expected bars of {finest}, which the data have, or coarser ones made of them, got {missing[0]}")
    ends = max((columns.start[-1] for columns in tape.bars[finest].values() if columns.start), default=0) + TIMEFRAMES[finest]
    made = {
        timeframe: {
            symbol: coarser(columns, timeframe, tape.instruments[symbol].calendar, ends) for symbol, columns in tape.bars[finest].items()
        }
        for timeframe in missing
    }
    return replace(tape, bars={**tape.bars, **made}, made=tape.made | frozenset(missing))


def coarser(columns: Columns, timeframe: str, calendar: Calendar, ends: int) -> Columns:
    """Bars of a timeframe out of finer ones of a symbol: first open, highest high, lowest low, last close, all of the volume.

    They start at whole multiples of their length since 1970, UTC; where a market has sessions those of a day start at
    its open, and hold nothing from outside of them. A stretch without a bar has none.

    Args:
        ends: market ns up to which the market was seen. A bar that is not over by then is left out.
    """
    import numpy as np

    start, length = np.asarray(columns.start, np.int64), TIMEFRAMES[timeframe]
    if not len(start):
        return columns.packed
    if length == TIMEFRAMES["1d"] and calendar != "24/7":
        begin, over = _of_sessions(start, calendar)
    else:
        begin = start - start % length
        over = begin + length
    kept = over <= ends
    begin = begin[kept]
    if not len(begin):
        return Columns([], [], [], [], [], []).packed
    opens, highs, lows, closes, volumes = (np.asarray(column, np.float64)[kept] for column in columns[1:])
    rows = np.flatnonzero(np.append(True, begin[1:] != begin[:-1]))
    lasts = np.append(rows[1:], len(begin)) - 1
    # Volumes are added one after another, as they are where bars are made of ticks.
    volume = np.bincount(np.repeat(np.arange(len(rows)), lasts - rows + 1), volumes)
    found = (opens[rows], np.maximum.reduceat(highs, rows), np.minimum.reduceat(lows, rows), closes[lasts], volume)
    return Columns(begin[rows].tolist(), *(column.tolist() for column in found)).packed


def _of_sessions(start: "Times", calendar: Calendar) -> "tuple[Times, Times]":
    """(open, close) of the session in which each bar begins; of one outside of all a close that never comes."""
    import numpy as np

    found = list(sessions(calendar, int(start[0]), int(start[-1]) + 1))
    opens = np.array([session.open for session in found], np.int64)
    closes = np.array([session.close for session in found], np.int64)
    if not found:
        return start, np.full(len(start), 2**63 - 1)
    row = np.maximum(np.searchsorted(opens, start, "right") - 1, 0)
    inside = (opens[row] <= start) & (start < closes[row])
    return opens[row], np.where(inside, closes[row], 2**63 - 1)
