"""The gate before a backtest: each fault is planted in a clean market and found where it is; clean markets pass."""

from array import array
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pytest
from numpy.typing import NDArray

from libs.domain.actions import CorporateAction
from libs.domain.columns import Columns
from libs.domain.instruments import Calendar, Instrument
from libs.domain.names import TIMEFRAMES
from libs.domain.times import nanoseconds
from libs.quant.backtest.tape import Tape
from libs.quant.calendars import sessions
from libs.quant.quality.finding import Finding, Unfit
from libs.quant.quality.gate import UNCHECKED, admitted, findings

HOUR = TIMEFRAMES["1h"]
MONDAY = nanoseconds("2021-02-01")
Table = dict[str, NDArray[np.float64]]


def walk(start: NDArray[np.int64], seed: int = 1) -> Table:
    """A quiet market that never says the same twice: moves of a thousandth, wicks of a ten-thousandth."""
    draw = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(draw.normal(0, 0.001, len(start))))
    opened = np.append(100.0, close[:-1])
    wick = 1 + np.abs(draw.normal(0, 1e-4, len(start)))
    bars = {"open": opened, "high": np.maximum(opened, close) * wick, "low": np.minimum(opened, close) / wick, "close": close}
    return {"start": start.astype(np.float64), **bars, "volume": draw.integers(1, 1000, len(start)).astype(float)}


def tape_of(table: Table, calendar: Calendar = "24/7", timeframe: str = "1h", actions: tuple[CorporateAction, ...] = ()) -> Tape:
    start = array("q", table["start"].astype(np.int64).tolist())
    columns = Columns(start, *(array("d", table[name].tolist()) for name in ("open", "high", "low", "close", "volume")))
    step = Decimal("0.01")
    its = Instrument(symbol="X", venue="V", asset_class="equity", currency="USD", tick=step, lot=step, calendar=calendar)
    return Tape(instruments={"X": its}, bars={timeframe: {"X": columns}}, fill_on={"X": "bar"}, actions=actions, since=start[0])


def around_the_clock(count: int = 500) -> NDArray[np.int64]:
    return MONDAY + HOUR * np.arange(count)


def in_sessions(calendar: Calendar, days: int, length: int = HOUR // 2) -> NDArray[np.int64]:
    found = sessions(calendar, MONDAY, MONDAY + days * TIMEFRAMES["1d"])
    return np.concatenate([np.arange(session.open, session.close, length) for session in found])


def without(table: Table, rows: slice) -> Table:
    return {name: np.delete(column, rows) for name, column in table.items()}


def kinds(tape: Tape) -> dict[str, int]:
    return {finding.kind: finding.count for finding in findings(tape)}


FITS = "in whose sessions these bars lie; else yearly figures are so much smaller"


def year(tape: Tape) -> str:
    (text,) = [found.text() for found in findings(tape) if found.kind == "year"]
    return text


def only(tape: Tape) -> Finding:
    (found,) = findings(tape)
    return found


@pytest.mark.parametrize("calendar", ["us_equity", "forex", "cme_globex"])
def test_a_clean_market_of_an_exchange_passes_over_a_change_of_clocks_and_holidays(calendar: Calendar) -> None:
    assert kinds(tape_of(walk(in_sessions(calendar, 120)), calendar, "30m")) == {}


def test_a_clean_market_around_the_clock_passes() -> None:
    assert kinds(tape_of(walk(around_the_clock()))) == {}


def test_weekdays_without_a_calendar_are_told_to_make_yearly_figures_too_large() -> None:
    days = MONDAY + TIMEFRAMES["1d"] * np.array([7 * n // 5 for n in range(1_300)])  # 261 a year
    found = only(tape_of(walk(days), timeframe="1d"))
    assert (found.kind, found.severity, found.count) == ("year", "label", 1_300)
    assert "expected 365 bars a year" in found.text()
    assert "got 261 (a year's Sharpe ratio and volatility are 1.18 times too large" in found.text()


@pytest.mark.parametrize("calendar", ["us_equity", "forex", "cme_globex"])
@pytest.mark.parametrize("timeframe", ["30m", "1d"])
def test_the_calendar_whose_sessions_hold_the_bars_is_named(calendar: Calendar, timeframe: str) -> None:
    days = [nanoseconds(str(session.date)) for session in sessions(calendar, MONDAY, MONDAY + 900 * TIMEFRAMES["1d"])]
    start = np.array(days) if timeframe == "1d" else in_sessions(calendar, 120)
    assert year(tape_of(walk(start), timeframe=timeframe)).endswith(f"; of a file say --calendar {calendar}, {FITS}")


def test_a_thin_stock_is_told_from_what_trades_at_night() -> None:
    start = np.delete(in_sessions("us_equity", 120), slice(3, None, 3))
    assert year(tape_of(walk(start), timeframe="30m")).endswith(f"; of a file say --calendar us_equity, {FITS}")


def test_weekdays_without_a_holiday_fit_no_calendar_so_all_are_named() -> None:
    days = MONDAY + TIMEFRAMES["1d"] * np.array([7 * (n // 5) + n % 5 for n in range(1_300)])
    found = only(tape_of(walk(days), timeframe="1d"))
    assert found.kind == "year"
    assert "of a file say with --calendar when its market is open (us_equity, cme_globex, forex)" in found.text()


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        ("close", float("nan"), "not_finite"),
        ("volume", float("inf"), "not_finite"),
        ("low", 0.0, "not_positive"),
        ("volume", -1.0, "negative_volume"),
        ("high", 50.0, "high_low"),
    ],
)
def test_a_number_that_cannot_be_is_refused_at_its_bar(column: str, value: float, kind: str) -> None:
    table = walk(around_the_clock())
    table[column][70] = value
    found = only(tape_of(table))
    assert (found.kind, found.severity, found.first) == (kind, "refuse", MONDAY + 70 * HOUR)


@pytest.mark.parametrize(("back", "kind"), [(1, "duplicate"), (2, "out_of_order")])
def test_starts_that_do_not_ascend_are_refused(back: int, kind: str) -> None:
    table = walk(around_the_clock())
    table["start"][40:] -= back * HOUR
    assert [(found.kind, found.severity) for found in findings(tape_of(table))] == [(kind, "refuse")]


def test_an_hour_that_is_there_twice_in_autumn_is_told_to_be_local_time() -> None:
    table = walk(nanoseconds("2021-10-25") + HOUR * np.arange(300))
    twice = int((nanoseconds("2021-10-31T01:00:00Z") - nanoseconds("2021-10-25")) // HOUR)
    table["start"][twice + 1 :] -= HOUR
    assert "local clocks show twice" in only(tape_of(table)).got


def test_bars_missing_in_a_session_are_told_by_the_calendar() -> None:
    start = in_sessions("us_equity", 20)
    found = only(tape_of(without(walk(start), slice(30, 33)), "us_equity", "30m"))
    assert (found.kind, found.count, found.severity) == ("gap", 3, "label")


def test_a_session_without_a_bar_is_missing_and_a_holiday_is_not() -> None:
    start = in_sessions("us_equity", 30)  # Presidents' Day is within
    found = only(tape_of(without(walk(start), slice(13, 26)), "us_equity", "30m"))
    assert (found.kind, found.count, found.first) == ("missing_session", 1, nanoseconds("2021-02-02T14:30:00Z"))


def test_a_daily_bar_belongs_to_the_session_whose_middle_it_holds() -> None:
    days = np.array([s.open // TIMEFRAMES["1d"] * TIMEFRAMES["1d"] for s in sessions("us_equity", MONDAY, MONDAY + 60 * 24 * HOUR)])
    assert kinds(tape_of(walk(days), "us_equity", "1d")) == {}
    saturday = np.sort(np.append(days, nanoseconds("2021-02-13")))
    assert kinds(tape_of(walk(saturday), "us_equity", "1d")) == {"outside_session": 1}
    assert kinds(tape_of(without(walk(days), slice(3, 5)), "us_equity", "1d")) == {"missing_session": 2}


def test_bars_before_the_open_are_outside() -> None:
    start = in_sessions("us_equity", 40)
    early = np.sort(np.append(start, nanoseconds("2021-02-03T12:00:00Z")))
    found = only(tape_of(walk(early), "us_equity", "30m"))
    assert (found.kind, found.count, found.first) == ("outside_session", 1, nanoseconds("2021-02-03T12:00:00Z"))


@pytest.mark.parametrize("shift", [-5, 1, 9])
def test_bars_in_a_wrong_zone_are_refused_with_the_hours_that_would_mend_them(shift: int) -> None:
    found = only(tape_of(walk(in_sessions("us_equity", 30) + shift * HOUR), "us_equity", "30m"))
    assert (found.kind, found.severity) == ("zone", "refuse")
    assert f"{abs(shift)} h {'later' if shift < 0 else 'earlier'}" in found.got


def test_a_missed_change_of_clocks_is_told_from_a_wrong_zone() -> None:
    start = in_sessions("us_equity", 120)
    summer = start >= nanoseconds("2021-03-14")
    found = only(tape_of(walk(np.where(summer, start + HOUR, start)), "us_equity", "30m"))
    assert found.kind == "zone"
    assert "in summer only: a change of clocks was missed" in found.got


@pytest.mark.parametrize("calendar", ["24/7", "us_equity"])
def test_trading_before_and_after_hours_is_no_wrong_zone(calendar: Calendar) -> None:
    whole_days = np.concatenate(
        [np.arange(s.open - 5 * HOUR, s.close + 4 * HOUR, HOUR) for s in sessions("us_equity", MONDAY, MONDAY + 900 * HOUR)]
    )
    assert "zone" not in kinds(tape_of(walk(whole_days), calendar))


def _high(table: Table) -> None:
    table["high"][100] *= 1.2


def _whole_bar(table: Table) -> None:
    for name in ("open", "high", "low", "close"):
        table[name][100] *= 0.9


@pytest.mark.parametrize("plant", [_high, _whole_bar])
def test_a_price_that_leaves_and_comes_back_is_a_spike(plant: Callable[[Table], None]) -> None:
    table = walk(around_the_clock())
    plant(table)
    found = only(tape_of(table))
    assert (found.kind, found.count, found.first, found.severity) == ("spike", 1, MONDAY + 100 * HOUR, "label")


def test_a_jump_that_stays_is_no_spike_and_moves_of_a_wild_market_are_none() -> None:
    stays, wild = walk(around_the_clock()), walk(around_the_clock())
    for name in ("open", "high", "low", "close"):
        stays[name][100:] *= 1.2
        wild[name] = 100 * (wild[name] / 100) ** 20
    assert "spike" not in kinds(tape_of(stays)) | kinds(tape_of(wild))


def split(row: int, ratio: str) -> CorporateAction:
    return CorporateAction(venue="V", symbol="X", effective=MONDAY + row * HOUR, kind="split", ratio=Decimal(ratio))


def divided(row: int, by: float) -> Table:
    table = walk(around_the_clock())
    for name in ("open", "high", "low", "close"):
        table[name][row:] /= by
    return table


@pytest.mark.parametrize(("by", "severity"), [(2.0, "refuse"), (7.0, "refuse"), (0.1, "refuse"), (1.8, "label")])
def test_a_jump_by_a_whole_number_without_an_action_is_refused_and_another_labelled(by: float, severity: str) -> None:
    found = only(tape_of(divided(200, by)))
    assert (found.kind, found.severity, found.first) == ("possible_split", severity, MONDAY + 200 * HOUR)


def test_a_split_with_its_action_passes_and_an_action_without_its_jump_is_refused() -> None:
    assert kinds(tape_of(divided(200, 2), actions=(split(200, "2"),))) == {}
    found = only(tape_of(divided(200, 1), actions=(split(200, "2"),)))
    assert (found.kind, found.severity, found.first) == ("split_without_jump", "refuse", MONDAY + 200 * HOUR)


def test_a_feed_that_stands_still_and_bars_without_trades_are_labelled() -> None:
    table = walk(around_the_clock())
    for name in ("open", "high", "low", "close", "volume"):
        table[name][50:58] = table["close"][50] if name != "volume" else 0.0
    assert kinds(tape_of(table)) == {"stale": 8, "zero_volume": 8}


def test_few_bars_are_labelled() -> None:
    assert kinds(tape_of(walk(around_the_clock(20)))) == {"few_bars": 20}


def test_strict_refuses_labels_label_tells_them_and_off_says_that_nobody_looked() -> None:
    tape = tape_of(without(walk(around_the_clock()), slice(100, 103)))
    (note,) = admitted(tape, "label")
    assert note.startswith("X: gap: expected a bar for each stretch of its hours, got 3 missing in 1 places")
    assert admitted(tape, "off") == [UNCHECKED]
    with pytest.raises(Unfit, match="gap"):
        admitted(tape, "strict")


def test_what_is_meaningless_is_refused_unless_nobody_looks() -> None:
    tape = tape_of(divided(200, 7))
    with pytest.raises(Unfit, match=r"nearest simple ratio 1:7 from 2021-02-09T08:00:00Z on; give the market its corporate action"):
        admitted(tape, "label")
    assert admitted(tape, "off") == [UNCHECKED]


def test_what_the_reader_of_a_file_has_said_is_not_said_again() -> None:
    tape = tape_of(without(walk(around_the_clock()), slice(100, 103)))
    said = ["X: gap: bars missing: 3; the most in one place: 3, after row 100", "file: no_zone: read as UTC"]
    assert admitted(tape, "label", said) == said


def test_many_symbols_with_the_same_oddity_are_told_in_one_line() -> None:
    table = without(walk(around_the_clock()), slice(100, 103))
    one = tape_of(table)
    symbols = [f"S{n}" for n in range(40)]
    bars = {"1h": {symbol: one.bars["1h"]["X"] for symbol in symbols}}
    (note,) = admitted(Tape(instruments={}, bars=bars, fill_on=dict.fromkeys(symbols, "bar")), "label")
    assert note.startswith("40 symbols, 120 in all: gap")
