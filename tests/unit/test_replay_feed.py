"""Recorded markets: how rows become steps, what becomes of bad ones, and the two real sets."""

import gzip
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import msgspec
import pyarrow
import pyarrow.compute
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.domain.instruments import Calendar, Instrument
from libs.domain.market import BadRow, Bar, MarketEvent, Quote, QuoteBar, TradeTick
from libs.domain.times import nanoseconds
from libs.quant.market_checks import Checker
from libs.venues.feed import FeedStep, MarketDataFeed
from libs.venues.replay.best import Best, BestQuote
from libs.venues.replay.catalog import named
from libs.venues.replay.dataset import COLUMNS, DataNotFound, DataSet, Layout, Recording
from libs.venues.replay.feed import ReplayFeed
from libs.venues.replay.sets.crypto import CRYPTO
from libs.venues.replay.sets.equities import EQUITIES

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
T0 = nanoseconds("2024-03-11T13:30:00Z")  # a US open
X, Y = (
    Instrument(symbol=symbol, venue="V", asset_class="equity", currency="USD", tick=tick, lot=tick, calendar="us_equity")
    for symbol, tick in (("X", EQUITIES.instruments[0].tick), ("Y", EQUITIES.instruments[0].tick))
)


def feed(root: Path, *recordings: Recording) -> ReplayFeed:
    dataset = DataSet(name="tiny", instruments=(X, Y), recordings=recordings, start=T0, end=T0 + 3600 * SECOND, speed=1)
    return ReplayFeed(dataset, root)


def events(root: Path, *recordings: Recording) -> list[MarketEvent | BadRow]:
    return [event for step in feed(root, *recordings).timeline(0) for event in step.events]


def parquet(path: Path, layout: Layout, times: Sequence[int | None], rows: Sequence[Sequence[float | None]], unit: str = "ms") -> None:
    per_unit = {"s": SECOND, "ms": 1_000_000, "us": 1_000, "ns": 1}[unit]
    ts = pyarrow.array([None if time is None else time // per_unit for time in times], pyarrow.timestamp(unit, "UTC"))
    columns = [pyarrow.array(column, pyarrow.float64()) for column in zip(*rows, strict=True)]
    pyarrow.parquet.write_table(pyarrow.table([ts, *columns], names=["ts", *COLUMNS[layout]]), path)


def trades(path: str, symbol: str | None = "X") -> Recording:
    return Recording(path=path, layout="trades", symbol=symbol)


QUOTE_BARS = Recording(path="q.parquet", layout="quote_bars", symbol="X", timeframe="1m")
TRADE_BARS = Recording(path="t.parquet", layout="trade_bars", symbol="X", timeframe="1m")
QUOTE_ROW = (10.0, 12.0, 9.0, 11.0, 3.0, 10.1, 12.1, 9.1, 11.1, 4.0)
TRADE_ROW = (10.0, 12.0, 9.0, 11.0, 500.0)


def test_a_recorded_bar_comes_whole_when_it_ends_with_the_tick_of_its_close(tmp_path: Path) -> None:
    parquet(tmp_path / "q.parquet", "quote_bars", [T0], [QUOTE_ROW])
    parquet(tmp_path / "t.parquet", "trade_bars", [T0], [TRADE_ROW])
    (step,) = feed(tmp_path, TRADE_BARS, QUOTE_BARS).timeline(T0)
    quote, trade, bar, quote_bar = step.events
    assert step.time == T0 + MINUTE
    assert quote == Quote(venue="V", symbol="X", seq=1, ts=step.time, bid=11.0, ask=11.1, bid_size=3.0, ask_size=4.0)
    assert trade == TradeTick(venue="V", symbol="X", seq=1, ts=step.time, price=11.0, size=500.0)
    assert bar == Bar(venue="V", symbol="X", seq=1, timeframe="1m", start=T0, open=10.0, high=12.0, low=9.0, close=11.0, volume=500.0)
    assert isinstance(quote_bar, QuoteBar)
    assert (quote_bar.start, quote_bar.bid_open, quote_bar.ask_open, quote_bar.ask_size) == (T0, 10.0, 10.1, 4.0)


def test_a_set_of_bars_is_not_built_again_and_fills_on_what_it_has(tmp_path: Path) -> None:
    parquet(tmp_path / "q.parquet", "quote_bars", [T0], [QUOTE_ROW])
    parquet(tmp_path / "t.parquet", "trade_bars", [T0], [TRADE_ROW])
    replay: MarketDataFeed = feed(tmp_path, QUOTE_BARS, Recording(path="t.parquet", layout="trade_bars", symbol="Y", timeframe="1m"))
    assert (replay.name, replay.recorded_bars, replay.timeframes) == ("replay:tiny", True, ("1m",))
    assert replay.fill_on == {"X": "quote_bar", "Y": "bar"}
    assert replay.bars_of == {"X": "quote", "Y": "trade"}


def test_a_set_of_ticks_leads_to_bars_built_from_them(tmp_path: Path) -> None:
    parquet(tmp_path / "q.parquet", "quotes", [T0], [(10.0, 10.1, 1.0, 2.0)])
    replay = feed(tmp_path, Recording(path="q.parquet", layout="quotes", symbol="X"))
    assert (replay.recorded_bars, replay.timeframes, replay.fill_on["X"]) == (False, ("1s", "1m"), "quote")
    assert list(replay.timeline(0)) == [
        FeedStep(T0, [Quote(venue="V", symbol="X", seq=1, ts=T0, bid=10.0, ask=10.1, bid_size=1.0, ask_size=2.0)])
    ]


def test_events_of_one_moment_are_one_step_by_kind_symbol_and_row(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"ts,symbol,price,size\n{T0},Y,1,1\n{T0},X,2,1\n{T0},Y,3,1\n{T0 + 1},X,4,1\n")
    parquet(tmp_path / "q.parquet", "quotes", [T0], [(10.0, 10.1, 1.0, 1.0)])
    first, second = feed(tmp_path, trades("t.csv", None), Recording(path="q.parquet", layout="quotes", symbol="Y")).timeline(0)
    seen = [(type(event).__name__, event.symbol, getattr(event, "price", None)) for event in first.events]
    assert seen == [("Quote", "Y", None), ("TradeTick", "X", 2.0), ("TradeTick", "Y", 1.0), ("TradeTick", "Y", 3.0)]
    assert (second.time, len(second.events)) == (T0 + 1, 1)


@pytest.mark.parametrize(
    ("unit", "exact"), [("s", T0 + SECOND), ("ms", T0 + 1_001_000_000), ("us", T0 + 1_001_001_000), ("ns", T0 + 1_001_001_001)]
)
def test_times_of_every_unit_become_exact_nanoseconds(tmp_path: Path, unit: str, exact: int) -> None:
    parquet(tmp_path / "t.parquet", "trades", [T0 + 1_001_001_001], [(1.0, 1.0)], unit)
    assert [step.time for step in feed(tmp_path, trades("t.parquet")).timeline(0)] == [exact]


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2024-03-11 13:30:00+00:00", T0),
        ("2024-03-11T09:30:00-04:00", T0),
        ("2024-03-11T13:30:00", T0),
        ("2024-03-11T13:30:00.123456789Z", T0 + 123_456_789),
        ("2024-03-11T13:30:00.5Z", T0 + SECOND // 2),
        (str(T0), T0),
    ],
)
def test_written_times_are_read_exactly(text: str, ns: int) -> None:
    assert nanoseconds(text) == ns


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_a_csv_file_is_read_plain_or_packed(tmp_path: Path, name: str) -> None:
    text = '\ufeff"ts","size","extra","price"\r\n2024-03-11T13:30:01Z,5,-,"10.5"\r\n\r\n'
    (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    assert events(tmp_path, trades(name)) == [TradeTick(venue="V", symbol="X", seq=1, ts=T0 + SECOND, price=10.5, size=5.0)]


def test_a_column_may_have_another_name_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"ts,price,quantity\n{T0},1,7\n")
    (event,) = events(tmp_path, Recording(path="t.csv", layout="trades", symbol="X", names={"size": "quantity"}))
    assert isinstance(event, TradeTick)
    assert event.size == 7.0


def test_a_folder_is_read_file_after_file(tmp_path: Path) -> None:
    (tmp_path / "days").mkdir()
    for day in (2, 1):
        (tmp_path / "days" / f"{day}.csv").write_text(f"ts,price,size\n{T0 + day},{day},1\n")
    (tmp_path / "days" / "README.md").write_text("not data")
    assert [(event.price, event.seq) for event in events(tmp_path, trades("days")) if isinstance(event, TradeTick)] == [(1.0, 1), (2.0, 2)]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{t},abc,1,X", "not_a_number: expected a number as price, got 'abc'"),
        ("{t},1,,X", "missing: expected a number as size, got nothing"),
        ("{t},nan,1,X", "not_finite: expected a number as price, got nan"),
        ("{t},1,1,Z", "unknown_symbol: expected one of X, Y, got 'Z'"),
        ("soon,1,1,X", "not_a_time: expected a time as ts, got 'soon'"),
        ("{t},1,1", "cells: expected as many as there are columns, got 3"),
        ("{early},1,1,X", f"out_of_order: expected a time from {T0 + 1}, got {T0}"),
        ('"{t},1,1,X,"', "cells: expected as many as there are columns, got 5"),
    ],
)
def test_a_row_that_cannot_be_read_is_kept_in_its_place_and_the_feed_goes_on(tmp_path: Path, row: str, reason: str) -> None:
    row = row.format(t=T0 + 1, early=T0)
    (tmp_path / "t.csv").write_text(f"ts,price,size,symbol\n{T0 + 1},1,1,X\n{row}\n{T0 + 2},3,1,X\n")
    before, bad, after = events(tmp_path, trades("t.csv", None))
    assert isinstance(bad, BadRow)
    assert (bad.ts, bad.reason) == (T0 + 1, reason)
    assert bad.raw.split(",")[1] == row.split(",")[1]
    assert isinstance(before, TradeTick)
    assert isinstance(after, TradeTick)
    assert (before.seq, after.seq) == (1, 2)


def test_nulls_and_nans_of_parquet_are_bad_rows_at_the_end_of_their_bar(tmp_path: Path) -> None:
    rows = [TRADE_ROW, (10.0, None, 9.0, 11.0, 1.0), (10.0, 12.0, 9.0, float("nan"), 1.0), TRADE_ROW]
    parquet(tmp_path / "t.parquet", "trade_bars", [T0, T0 + MINUTE, T0 + 2 * MINUTE, None], rows)
    bad = [event for event in events(tmp_path, TRADE_BARS) if isinstance(event, BadRow)]
    assert [(row.ts - T0) // MINUTE for row in bad] == [2, 3, 3]
    assert [row.reason.split(":")[0] for row in bad] == ["missing", "not_finite", "not_a_time"]


def test_rows_outside_of_the_stretch_and_of_market_hours_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"ts,price,size\n{T0 - 1},1,1\n{T0},2,1\n{T0 + 3600 * SECOND},3,1\n")
    assert [event.ts for event in events(tmp_path, trades("t.csv"))] == [T0]  # type: ignore[union-attr]
    dataset = DataSet(name="n", instruments=(X,), recordings=(trades("t.csv"),), start=0, end=2 * T0, speed=1)
    assert [step.time for step in ReplayFeed(dataset, tmp_path).timeline(0)] == [T0, T0 + 3600 * SECOND]


def test_a_bar_belongs_to_the_session_it_overlaps(tmp_path: Path) -> None:
    hour = 3600 * SECOND
    starts = [T0 - 3 * hour // 2, T0 - hour // 2, T0 + hour // 2, T0 + 6 * hour, T0 + 7 * hour]  # the open is at half past
    parquet(tmp_path / "t.parquet", "trade_bars", starts, [TRADE_ROW] * 5)
    bars = Recording(path="t.parquet", layout="trade_bars", symbol="X", timeframe="1h")
    dataset = DataSet(name="hours", instruments=(X,), recordings=(bars,), start=0, end=2 * T0, speed=1)
    assert [step.time - hour for step in ReplayFeed(dataset, tmp_path).timeline(0)] == starts[1:4]


def test_a_bar_stamped_at_its_end_begins_a_length_earlier(tmp_path: Path) -> None:
    parquet(tmp_path / "t.parquet", "trade_bars", [T0, T0 + MINUTE], [TRADE_ROW] * 2)
    (step,) = feed(tmp_path, replace(TRADE_BARS, stamp="end")).timeline(0)
    assert step.time == T0 + MINUTE
    assert isinstance(step.events[1], Bar)
    assert step.events[1].start == T0


def daily(root: Path, calendar: Calendar, *dates: str) -> list[MarketEvent | BadRow]:
    (root / "d.csv").write_text("date,open,high,low,close,volume\n" + "".join(f"{date},1,1,1,1,1\n" for date in dates))
    dated = Recording(path="d.csv", layout="trade_bars", symbol="X", timeframe="1d", stamp="date", names={"ts": "date"})
    instrument = msgspec.structs.replace(X, calendar=calendar)
    dataset = DataSet(name="days", instruments=(instrument,), recordings=(dated,), start=0, end=2 * T0, speed=1)
    return [event for step in ReplayFeed(dataset, root).timeline(0) for event in step.events if not isinstance(event, TradeTick)]


@pytest.mark.parametrize(
    ("calendar", "opens"),
    [
        ("us_equity", ["2024-03-08T14:30:00+00:00", "2024-03-11T13:30:00+00:00"]),  # the clocks changed in between
        ("24/7", ["2024-03-08T00:00:00+00:00", "2024-03-11T00:00:00+00:00"]),
        ("cme_globex", ["2024-03-07T23:00:00+00:00", "2024-03-10T22:00:00+00:00"]),
    ],
)
def test_a_bar_with_a_date_starts_when_the_session_of_that_date_opens(tmp_path: Path, calendar: Calendar, opens: list[str]) -> None:
    bars = daily(tmp_path, calendar, "2024-03-08", "2024-03-11")
    assert [utc(bar.start) for bar in bars if isinstance(bar, Bar)] == opens


def test_a_bar_with_the_date_of_a_holiday_is_a_bad_row(tmp_path: Path) -> None:
    seen = daily(tmp_path, "us_equity", "2024-03-28", "2024-03-29", "2024-04-01")
    (bad,) = (event for event in seen if isinstance(event, BadRow))
    assert bad.reason == "no_session: expected a date on which us_equity has a session, got 2024-03-29"
    assert [(utc(bar.start)[:10], bar.seq) for bar in seen if isinstance(bar, Bar)] == [("2024-03-28", 1), ("2024-04-01", 2)]


def test_a_column_of_contracts_is_read_as_symbols_and_others_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"ts,contract,price,size\n{T0},EX1,1,1\n{T0},WHY,2,1\n{T0},ZED,3,1\n")
    recording = Recording(path="t.csv", layout="trades", symbols={"EX1": "X", "WHY": "Y"}, names={"symbol": "contract"})
    assert [(event.symbol, event.price) for event in events(tmp_path, recording) if isinstance(event, TradeTick)] == [
        ("X", 1.0),
        ("Y", 2.0),
    ]


def test_files_that_a_pattern_fits_are_one_recording(tmp_path: Path) -> None:
    for name, second in (("t_2.csv", 2), ("t_1.csv", 1), ("other.csv", 0)):
        (tmp_path / name).write_text(f"ts,price,size\n{T0 + second},1,1\n")
    assert [event.ts - T0 for event in events(tmp_path, trades("t_*.csv")) if isinstance(event, TradeTick)] == [1, 2]
    with pytest.raises(DataNotFound, match=r"u_\*\.csv is not there"):
        feed(tmp_path, trades("u_*.csv"))


def test_quotes_without_sizes_show_the_size_of_the_recording(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text(f"ts,bid,ask\n{T0},1.5,1.6\n")
    (quote,) = events(tmp_path, Recording(path="q.csv", layout="quotes", symbol="X", shown=500.0))
    assert quote == Quote(venue="V", symbol="X", seq=1, ts=T0, bid=1.5, ask=1.6, bid_size=500.0, ask_size=500.0)
    parquet(tmp_path / "q.parquet", "quote_bars", [T0], [QUOTE_ROW])
    bar = events(tmp_path, replace(QUOTE_BARS, shown=500.0))[1]
    assert isinstance(bar, QuoteBar)
    assert (bar.bid_close, bar.bid_size, bar.ask_open, bar.ask_size) == (11.0, 500.0, 10.1, 500.0)


def test_quote_bars_of_a_symbol_without_trades_make_bars_of_their_middle(tmp_path: Path) -> None:
    crossed = (10.0, 12.0, 9.0, 11.5, 3.0, 10.1, 12.1, 9.1, 11.1, 4.0)
    parquet(tmp_path / "q.parquet", "quote_bars", [T0, T0 + MINUTE, T0 + 2 * MINUTE], [QUOTE_ROW, crossed, QUOTE_ROW])
    first, *_ = feed(tmp_path, QUOTE_BARS).timeline(0)
    assert [type(event) for event in first.events] == [Quote, QuoteBar, Bar]
    bars = [event for event in events(tmp_path, QUOTE_BARS) if isinstance(event, Bar)]
    assert [((bar.start - T0) // MINUTE, bar.seq) for bar in bars] == [(0, 1), (2, 2)]  # nothing lies between a bid and a lower ask
    assert bars[0] == Bar(venue="V", symbol="X", seq=1, timeframe="1m", start=T0, open=10.05, high=12.05, low=9.05, close=11.05, volume=0.0)


def test_quote_bars_beside_trade_bars_make_no_bars(tmp_path: Path) -> None:
    parquet(tmp_path / "q.parquet", "quote_bars", [T0, T0 + MINUTE], [QUOTE_ROW] * 2)
    parquet(tmp_path / "t.parquet", "trade_bars", [T0], [TRADE_ROW])
    assert [bar.start for bar in events(tmp_path, QUOTE_BARS, TRADE_BARS) if isinstance(bar, Bar)] == [T0]


@pytest.mark.parametrize("empty", [None, float("nan")])
def test_a_quote_of_one_side_is_left_out_and_counted(tmp_path: Path, empty: float | None) -> None:
    no_ask = (*QUOTE_ROW[:5], *(empty,) * 4, 0.0)
    no_bid = (*(empty,) * 4, 0.0, *QUOTE_ROW[5:])
    parquet(tmp_path / "q.parquet", "quote_bars", [T0, T0 + MINUTE, T0 + 2 * MINUTE], [no_ask, no_bid, QUOTE_ROW])
    replay = feed(tmp_path, QUOTE_BARS)
    assert [(step.time - T0) // MINUTE for step in replay.timeline(0)] == [3]
    assert replay.left_out == {("X", "one_sided"): 2}


def test_a_quote_without_both_sides_or_with_half_a_side_is_a_bad_row(tmp_path: Path) -> None:
    nothing = (None, None, None, None, 0.0, None, None, None, None, 0.0)
    half = (10.0, 12.0, None, 11.0, 3.0, *QUOTE_ROW[5:])
    parquet(tmp_path / "q.parquet", "quote_bars", [T0, T0 + MINUTE], [nothing, half])
    reasons = [event.reason for event in events(tmp_path, QUOTE_BARS) if isinstance(event, BadRow)]
    assert reasons == [f"missing: expected a number as {name}, got nothing" for name in ("bid_open", "bid_low")]


def test_rows_marked_as_suspicious_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"ts,price,size,suspicious\n{T0},1,1,False\n{T0},2,1,True\n{T0},3,1,False\n")
    replay = feed(tmp_path, replace(trades("t.csv"), suspicious=True))
    (step,) = replay.timeline(0)
    assert [event.price for event in step.events if isinstance(event, TradeTick)] == [1.0, 3.0]
    assert replay.left_out == {("X", "suspicious"): 1}


def test_updates_of_one_side_become_quotes_of_both() -> None:
    best = BestQuote()
    assert best.add(10.0, 0.0, 100, 0) == "one_sided"
    assert best.add(0.0, 10.5, 0, 200) == Best(10.0, 10.5, 100, 200)
    assert best.add(0.0, 10.5, 0, 200) == "unchanged"
    assert best.add(0.0, 10.5, 0, 300) == Best(10.0, 10.5, 100, 300)
    assert best.add(9.0, 0.0, 50, 0) == Best(9.0, 10.5, 50, 300)


def test_a_crossed_best_quote_is_held_back_until_the_other_side_is_heard() -> None:
    best = BestQuote()
    best.add(10.0, 10.5, 1, 1)
    assert best.add(10.6, 0.0, 2, 0) == "crossed"
    assert best.add(0.0, 10.7, 0, 3) == Best(10.6, 10.7, 2, 3)
    assert best.add(10.7, 0.0, 4, 0) == Best(10.7, 10.7, 4, 3)  # locked is no cross


def test_the_best_quote_outlives_closed_hours_and_what_makes_no_quote_is_counted(tmp_path: Path) -> None:
    updates = [(T0 - 1, 10.0, 0.0, 1.0, 0.0), (T0, 0.0, 11.0, 0.0, 2.0), (T0 + 1, 0.0, 11.0, 0.0, 2.0), (T0 + 2, 12.0, 0.0, 1.0, 0.0)]
    parquet(tmp_path / "q.parquet", "best_updates", [row[0] for row in updates], [row[1:] for row in updates], unit="ns")
    replay = feed(tmp_path, Recording(path="q.parquet", layout="best_updates", symbol="X"))
    (step,) = replay.timeline(0)
    assert step.events == [Quote(venue="V", symbol="X", seq=1, ts=T0, bid=10.0, ask=11.0, bid_size=1.0, ask_size=2.0)]
    assert replay.left_out == {("X", "unchanged"): 1, ("X", "crossed"): 1}
    assert (replay.fill_on["X"], replay.recorded_bars) == ("quote", False)


def test_data_that_is_not_there_is_named_with_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match=r"MARKET_DATA_DIR is not set.*equities/minute/IBM_trade\.parquet"):
        ReplayFeed(EQUITIES, None)
    with pytest.raises(DataNotFound, match=rf"{tmp_path}/equities/minute/AIG_quote\.parquet is not there: set MARKET_DATA_DIR"):
        ReplayFeed(EQUITIES, tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"ts,price\n1,1\n", r"t\.csv has no column 'size'; it has ts, price"),
        ("t.csv", b"", r"t\.csv has no column 'ts'"),
        ("t.parquet", b"not parquet at all", r"t\.parquet cannot be read as Parquet"),
        ("t.csv.gz", gzip.compress(b"ts,price,size\n" * 999, mtime=0)[:-9], r"t\.csv\.gz cannot be read as CSV"),
    ],
)
def test_a_file_that_is_no_such_data_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataNotFound, match=message):
        events(tmp_path, trades(name))


@pytest.mark.parametrize(
    "recordings",
    [
        pytest.param((TRADE_BARS, trades("t.csv")), id="bars and ticks"),
        pytest.param((trades("1.csv"), trades("2.csv")), id="one kind of one symbol twice"),
        pytest.param((TRADE_BARS, replace(QUOTE_BARS, timeframe="1h")), id="two timeframes"),
    ],
)
def test_a_set_that_cannot_be_one_timeline_is_refused(recordings: tuple[Recording, ...]) -> None:
    with pytest.raises(ValueError, match="recordings"):
        DataSet(name="n", instruments=(X,), recordings=recordings, start=0, end=1, speed=1)


def test_bars_need_a_timeframe_and_ticks_none() -> None:
    with pytest.raises(ValueError, match="trade_bars do not go with timeframe None"):
        Recording(path="t.csv", layout="trade_bars")
    with pytest.raises(ValueError, match="trades do not go with timeframe '1m'"):
        Recording(path="t.csv", layout="trades", timeframe="1m")
    with pytest.raises(ValueError, match="trades do not go with stamp 'end'"):
        Recording(path="t.csv", layout="trades", stamp="end")


def test_a_recording_is_of_one_symbol_or_has_a_column_of_them() -> None:
    with pytest.raises(ValueError, match="either one symbol or a column of them"):
        Recording(path="t.csv", layout="trades", symbol="X", symbols={"x": "X"})


def test_pyarrow_is_not_imported_before_a_parquet_file_is_read() -> None:
    code = "import sys, libs.venues.replay.feed, libs.venues.replay.catalog; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@lru_cache(maxsize=2)
def whole(dataset_name: str, root: Path) -> list[FeedStep]:
    replay = ReplayFeed(named(dataset_name), root)
    return list(replay.timeline(replay.start))


def utc(ns: int) -> str:
    return datetime.fromtimestamp(ns // SECOND, UTC).isoformat()


@pytest.mark.parametrize(
    ("name", "first", "last", "steps"),
    [
        ("equities", "2013-10-07T13:31:00+00:00", "2013-10-11T20:00:00+00:00", 5 * 390),
        ("crypto", "2018-04-04T00:01:00+00:00", "2018-04-04T23:59:00+00:00", 1439),
    ],
)
def test_a_real_set_begins_and_ends_where_its_bars_do(market_data_dir: Path, name: str, first: str, last: str, steps: int) -> None:
    times = [step.time for step in whole(name, market_data_dir)]
    assert (utc(times[0]), utc(times[-1]), len(times)) == (first, last, steps)
    assert times == sorted(set(times))


@pytest.mark.parametrize("dataset", [EQUITIES, CRYPTO], ids=lambda dataset: dataset.name)
def test_a_real_set_has_a_tick_and_a_bar_for_every_row_of_its_stretch(market_data_dir: Path, dataset: DataSet) -> None:
    counts = Counter((type(event), event.symbol) for step in whole(dataset.name, market_data_dir) for event in step.events)
    for recording in dataset.recordings:
        assert recording.symbol is not None
        starts = pyarrow.parquet.read_table(market_data_dir / recording.path)["ts"].cast(pyarrow.int64()).to_pylist()
        kept = [ms for ms in starts if dataset.start <= ms * 1_000_000 < dataset.end]
        if dataset is EQUITIES:  # New York was four hours behind all week
            kept = [ms for ms in kept if 13.5 * 3_600_000 <= ms % 86_400_000 < 20 * 3_600_000]
        tick, bar = (Quote, QuoteBar) if recording.layout == "quote_bars" else (TradeTick, Bar)
        assert counts[tick, recording.symbol] == counts[bar, recording.symbol] == len(kept) > 1000


@pytest.mark.parametrize("name", ["equities", "crypto"])
def test_a_real_set_passes_every_check_and_is_numbered_without_gaps(market_data_dir: Path, name: str) -> None:
    checker, numbers = Checker(named(name).instruments), Counter[tuple[type, str]]()
    for step in whole(name, market_data_dir):
        ranks = [
            (("Quote", "TradeTick").index(kind) if (kind := type(event).__name__) in ("Quote", "TradeTick") else 2) for event in step.events
        ]
        assert ranks == sorted(ranks)
        for event in step.events:
            assert not isinstance(event, BadRow)
            assert checker.refusal(event) is None
            numbers[type(event), event.symbol] += 1
            assert event.seq == numbers[type(event), event.symbol]


@settings(max_examples=20, deadline=None)
@given(at=st.integers(-1, 5 * 390), ahead=st.integers(0, MINUTE - 1))
def test_a_replay_resumed_anywhere_goes_on_as_if_never_stopped(market_data_dir: Path, at: int, ahead: int) -> None:
    steps = whole("equities", market_data_dir)
    after = (steps[min(at, len(steps) - 1)].time if at >= 0 else EQUITIES.start) + ahead
    assert list(ReplayFeed(EQUITIES, market_data_dir).timeline(after)) == steps[at + 1 :]


async def test_the_collector_gets_the_same_steps(market_data_dir: Path) -> None:
    steps = whole("crypto", market_data_dir)
    assert [step async for step in ReplayFeed(CRYPTO, market_data_dir).steps(CRYPTO.start)] == steps
