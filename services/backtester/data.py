"""Where the bars of a backtest come from: a file, a recorded market, or the fleet's own record."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from libs.common.database import Database
from libs.domain.columns import Columns
from libs.domain.instruments import CALENDARS, Calendar, Instrument
from libs.domain.names import TIMEFRAMES
from libs.domain.times import nanoseconds
from libs.quant.backtest.resample import with_timeframes
from libs.quant.backtest.tape import Tape
from libs.store import actions, market, sessions
from libs.venues.bar_files import BadData, FileBars, read_bars
from libs.venues.replay.catalog import named
from libs.venues.replay.feed import ReplayFeed
from libs.venues.replay.tape import recorded
from services.backtester.beside import beside
from services.backtester.spec import Spec

_DAY_NS = TIMEFRAMES["1d"]
_STEP = Decimal("0.000001")
_BY_RHYTHM = frozenset({"missing_day", "gap"})
"""What a reader of files guesses from the bars' own days and hours, and the gate knows where there is a calendar."""


class NoData(Exception):
    """There is nothing to run over; the message says where was looked and what is there."""


@dataclass(frozen=True)
class Loaded:
    """A tape ready to be played."""

    tape: Tape
    source: str  # for a person
    labels: Sequence[str] = ()  # what is odd about the data, though not wrong


def load(spec: Spec, market_data_dir: Path | None) -> Loaded:
    """The tape of a spec whose data lie in files.

    Raises:
        BadData, DataNotFound, NoData, ValueError: they cannot be used; the message names file, row and what was expected.
    """
    if spec.replay:
        return _of_replay(spec, market_data_dir)
    return _of_file(spec)


def _of_file(spec: Spec) -> Loaded:
    found = _read(spec)
    begins, ends = _span(spec)
    bars = {symbol: _within(columns, begins, ends) for symbol, columns in found.bars.items()}
    bars = {symbol: columns for symbol, columns in bars.items() if columns.start}
    if not bars:
        raise NoData(f"{spec.data} has no bars from {spec.start or 'its start'} to {spec.end or 'its end'}")
    tape = Tape(
        instruments={symbol: plain(symbol, spec.currency or "USD", CALENDARS[spec.calendar]) for symbol in bars},
        bars={found.timeframe: bars},
        fill_on=dict.fromkeys(bars, "bar"),
        since=min(columns.start[0] for columns in bars.values()),
    )
    labels = [str(label) for label in found.labels if spec.calendar == "24/7" or label.kind not in _BY_RHYTHM]
    return _completed(Loaded(tape, spec.data, labels), spec)


def _read(spec: Spec) -> FileBars:
    """A file's bars of the length that they have; as long as the spec says where they do not show it."""
    path, symbol = Path(spec.data), spec.symbol or None
    try:
        found = read_bars(path, symbol, None)
    except BadData as error:
        if not spec.timeframe or {fault.kind for fault in error.faults} != {"timeframe"}:
            raise
        return read_bars(path, symbol, spec.timeframe)
    if spec.timeframe and TIMEFRAMES[spec.timeframe] < TIMEFRAMES[found.timeframe]:
        raise ValueError(f"{path} has bars of {found.timeframe}; bars of {spec.timeframe} cannot be made of longer ones")
    return found


def _completed(loaded: Loaded, spec: Spec) -> Loaded:
    """With what a person says beside the bars, and with bars of every timeframe that strategies run on."""
    tape, labels = beside(loaded.tape, spec)
    return Loaded(with_timeframes(tape, spec.timeframes), loaded.source, [*loaded.labels, *labels])


def plain(symbol: str, currency: str, calendar: Calendar = "24/7") -> Instrument:
    """What is known of a symbol that comes without an instrument (semantics 5)."""
    return Instrument(symbol=symbol, venue="FILE", asset_class="equity", currency=currency, tick=_STEP, lot=_STEP, calendar=calendar)


def _of_replay(spec: Spec, market_data_dir: Path | None) -> Loaded:
    if spec.start:
        raise ValueError(f"expected no start, for the recorded market {spec.replay} is played from its beginning; end is possible")
    feed = ReplayFeed(named(spec.replay), market_data_dir)
    _, ends = _span(spec)
    found = recorded(feed, ends if spec.end else None)
    labels = [f"{symbol}: {count} rows refused, {code}" for (symbol, code), count in sorted(found.refused.items())]
    return _completed(Loaded(found.tape, f"replay {spec.replay}", labels), spec)


async def load_stored(spec: Spec, database: Database) -> Loaded:
    """The tape of a spec that asks for stored bars.

    Raises:
        NoData: there are none; the message says what there is.
        ValueError: start or end is no time.
    """
    begins, ends = _span(spec)
    venue, timeframe = await _venue_and_timeframe(spec, database)
    known = await sessions.instruments(database, venue)
    found = await market.bars_of(database, venue, spec.symbols, timeframe, begins, ends)
    stored = {symbol: columns.packed for symbol, columns in found.items()}
    if missing := [symbol for symbol in spec.symbols if symbol not in stored]:
        raise NoData(
            f"no stored {timeframe} bars of {', '.join(missing)} on {venue} from {spec.start or 'the start'} to {spec.end or 'now'}"
        )
    tape = Tape(
        instruments={symbol: known[symbol] for symbol in spec.symbols},
        bars={timeframe: stored},
        fill_on=dict.fromkeys(spec.symbols, "bar"),
        actions=[action for action in await actions.of_venue(database, venue) if action.symbol in spec.symbols],
        since=min(columns.start[0] for columns in stored.values()),
    )
    return _completed(Loaded(tape, f"stored {timeframe} bars of {', '.join(spec.symbols)} on {venue}"), spec)


async def _venue_and_timeframe(spec: Spec, database: Database) -> tuple[str, str]:
    found = await market.stored_series(database, spec.symbols)
    most = min((TIMEFRAMES[timeframe] for timeframe in spec.timeframes), default=None)  # of which, or of finer ones, the rest is made
    fitting = [s for s in found if spec.venue in ("", s.venue) and (most is None or TIMEFRAMES[s.timeframe] <= most)]
    venues = sorted({s.venue for s in fitting})
    if len(venues) != 1:
        there = ", ".join(sorted({f"{s.symbol} {s.timeframe} on {s.venue}" for s in found})) or "nothing of these symbols"
        reason = "several venues have them: say --venue" if venues else "there are no such stored bars"
        raise NoData(f"{reason}; the record has {there}")
    choose = min if most is None else max
    return venues[0], choose((s.timeframe for s in fitting), key=TIMEFRAMES.__getitem__)


def _span(spec: Spec) -> tuple[int, int]:
    begins = _time("start", spec.start) if spec.start else 0
    ends = _time("end", spec.end) + (_DAY_NS if len(spec.end) == len("2013-10-07") else 0) if spec.end else 2**62
    if begins >= ends:
        raise ValueError(f"expected start before end, got {spec.start} and {spec.end}")
    return begins, ends


def _time(name: str, text: str) -> int:
    expected = f"expected {name} to be a day or a time such as 2013-10-07 or 2013-10-07T13:30:00Z, got {text!r}"
    if text.isdecimal():  # 2013 is a year to whoever writes it
        raise ValueError(expected)
    try:
        return nanoseconds(text)
    except ValueError as error:
        raise ValueError(expected) from error


def _within(columns: Columns, begins: int, ends: int) -> Columns:
    if not columns.start or (columns.start[0] >= begins and columns.start[-1] < ends):
        return columns
    kept = slice(bisect_left(columns.start, begins), bisect_left(columns.start, ends))
    start, opened, high, low, close, volume = columns
    return Columns(start[kept], opened[kept], high[kept], low[kept], close[kept], volume[kept])
