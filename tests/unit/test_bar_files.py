"""Bars from a person's file: what is read, what is refused and in which words, what is labelled."""

import gzip
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.columns import Columns
from libs.domain.names import TIMEFRAMES
from libs.domain.times import nanoseconds
from libs.quant.quality.clock_changes import is_repeated, is_skipped
from libs.venues.bar_files import BadData, Fault, FileBars, Label, read_bars
from libs.venues.bar_times import times

SECOND = 1_000_000_000
HOUR = TIMEFRAMES["1h"]
T0 = nanoseconds("2024-03-11T00:00:00Z")
HEADER = "timestamp,open,high,low,close,volume\n"
GOOD = "10,12,9,11,5"
CLEAN = f"{HEADER}2024-03-11T00:00:00Z,10,12,9,11,5\n2024-03-11T01:00:00Z,11,13,10,12,6.5\n"


def stamp(hour: float) -> str:
    return f"{datetime(2024, 3, 11, tzinfo=UTC) + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ}"


def rows(numbers: Sequence[str], hours: Sequence[float] | None = None) -> str:
    return HEADER + "".join(f"{stamp(hour)},{row}\n" for hour, row in zip(hours or range(len(numbers)), numbers, strict=True))


def closes(values: Sequence[float], volume: float = 5) -> str:
    """Hourly bars without wicks; every volume differs a little, so that none is stale."""
    return rows([f"{value},{value},{value},{value},{volume + n / 1000 if volume else 0}" for n, value in enumerate(values)])


def written(folder: Path, text: str | bytes, name: str = "x.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def read(folder: Path, text: str | bytes, name: str = "x.csv", timeframe: str | None = None) -> FileBars:
    return read_bars(written(folder, text, name), None, timeframe)


def refused(folder: Path, text: str | bytes, name: str = "x.csv", timeframe: str | None = None) -> BadData:
    with pytest.raises(BadData) as refusal:
        read(folder, text, name, timeframe)
    return refusal.value


def odd(folder: Path, text: str, kind: str, timeframe: str | None = None) -> list[Label]:
    return [label for label in read(folder, text, timeframe=timeframe).labels if label.kind == kind]


CLEAN_BARS = Columns([T0, T0 + HOUR], [10.0, 11.0], [12.0, 13.0], [9.0, 10.0], [11.0, 12.0], [5.0, 6.5])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("x.csv", CLEAN.encode(), id="plain"),
        pytest.param("x.csv.gz", gzip.compress(CLEAN.encode()), id="gzip"),
        pytest.param("x.csv", b"\xef\xbb\xbf" + CLEAN.replace("\n", "\r\n").encode(), id="byte-order mark and CRLF"),
        pytest.param("x.csv", CLEAN.replace("timestamp", "ts").encode(), id="ts"),
        pytest.param("x.csv", CLEAN.replace("timestamp", '"date"').encode(), id="quoted date"),
        pytest.param("x.csv", CLEAN.replace("\n2024", "\n\n2024").encode() + b"\n\n", id="blank lines"),
        pytest.param("x.csv", CLEAN.replace(",10,12", ", 10 ,12").encode(), id="blanks in a cell"),
        pytest.param("x.csv", CLEAN.replace(",open", ",note,open").replace("Z,", 'Z,"a, b",').encode(), id="another column"),
    ],
)
def test_the_bars_of_a_clean_file_come_as_they_stand(tmp_path: Path, name: str, content: bytes) -> None:
    found = read(tmp_path, content, name)
    assert (found.bars, found.timeframe, found.labels) == ({"X": CLEAN_BARS.packed}, "1h", [])


@pytest.mark.parametrize(
    "ts",
    [
        pytest.param(pyarrow.array([T0, T0 + HOUR], pyarrow.timestamp("ns", "UTC")), id="ns"),
        pytest.param(pyarrow.array([T0 // SECOND, (T0 + HOUR) // SECOND], pyarrow.timestamp("s", "UTC")), id="s"),
        pytest.param(pyarrow.array([T0 // 1000, (T0 + HOUR) // 1000], pyarrow.int64()), id="us as integers"),
        pytest.param(pyarrow.array([stamp(0), stamp(1)], pyarrow.large_string()), id="text"),
        pytest.param(pyarrow.array([stamp(0), stamp(1)]).dictionary_encode(), id="dictionary"),
    ],
)
def test_parquet_and_csv_of_the_same_bars_agree(tmp_path: Path, ts: pyarrow.Array) -> None:
    columns = [ts, *(pyarrow.array(column) for column in CLEAN_BARS[1:])]
    path = tmp_path / "x.parquet"
    pyarrow.parquet.write_table(pyarrow.table(columns, names=["ts", *Columns._fields[1:]]), path)
    assert read_bars(path, None, None) == read(tmp_path, CLEAN)


def test_a_column_of_symbols_makes_series_of_their_own_in_whatever_order_rows_are_mixed(tmp_path: Path) -> None:
    head, one, two = "symbol," + HEADER, f"{stamp(0)},{GOOD}\n", f"{stamp(1)},{GOOD}\n"
    mixed = read(tmp_path, f"{head}B,{one}A,{one}A,{two}B,{two}")
    apart = read(tmp_path, f"{head}A,{one}A,{two}B,{one}B,{two}")
    assert list(mixed.bars) == ["A", "B"]
    assert mixed == apart


@pytest.mark.parametrize(
    ("name", "given_symbol", "symbol"), [("aapl.csv", None, "AAPL"), ("my file.csv", None, "DATA"), ("aapl.csv", "BTC/USD", "BTC/USD")]
)
def test_a_file_without_symbols_is_named_by_the_caller_or_after_itself(
    tmp_path: Path, name: str, given_symbol: str | None, symbol: str
) -> None:
    assert list(read_bars(written(tmp_path, CLEAN, name), given_symbol, None).bars) == [symbol]


TIME = "column timestamp: "
FAULTS = [
    ("missing", "10,12,9,,5", "close: missing: expected a number, got nothing"),
    ("decimal comma", '10,"12,5",9,11,5', "high: not_a_number: expected a number, got '12,5'"),
    ("text", "10,12,9,11,lots", "volume: not_a_number: expected a number, got 'lots'"),
    ("inf", "10,inf,9,11,5", "high: not_finite: expected a finite number, got inf"),
    ("nan", "NaN,12,9,11,5", "open: not_finite: expected a finite number, got NaN"),
    ("zero price", "0,12,0,11,5", "low: not_positive: expected a price above 0, got 0.0"),
    ("negative price", "10,12,-9,11,5", "low: not_positive: expected a price above 0, got -9.0"),
    ("negative volume", "10,12,9,11,-5", "volume: negative_volume: expected 0 or more, got -5.0"),
    ("high too low", "10,10.5,9,11,5", "high: high_low: expected at least 11.0, the larger of open and close, got 10.5"),
    ("low too high", "10,12,10.5,11,5", "low: high_low: expected at most 10.0, the smaller of open and close, got 10.5"),
]


@pytest.mark.parametrize(("numbers", "message"), [pytest.param(row, text, id=name) for name, row, text in FAULTS])
def test_a_wrong_number_is_refused_by_file_row_line_and_column(tmp_path: Path, numbers: str, message: str) -> None:
    error = refused(tmp_path, rows([GOOD, numbers, GOOD]).replace("\n", "\n\n", 1))
    assert f"{tmp_path}/x.csv: " in str(error)
    assert f"row 2 (line 4), column {message}" in str(error)
    assert {fault.row for fault in error.faults} == {2}


@pytest.mark.parametrize(
    ("times_", "message"),
    [
        pytest.param((stamp(0), stamp(1), stamp(1)), f"row 3 (line 4), {TIME}duplicate: expected one bar of X at {stamp(1)}", id="twice"),
        pytest.param((stamp(0), stamp(2), stamp(1)), f"row 3 (line 4), {TIME}out_of_order: expected a time after {stamp(2)}", id="order"),
        pytest.param((stamp(2), stamp(1), stamp(0)), f"{TIME}out_of_order: expected rows from the oldest to the newest", id="backwards"),
        pytest.param((stamp(0), "2024-03-11 01:00:00Z", stamp(2)), "mixed_times: expected a time written like '2024", id="formats"),
        pytest.param((stamp(0), stamp(1)[:-1], stamp(2)), "mixed_offsets: expected a time written like '2024", id="zone or none"),
        pytest.param(
            ("2024-03-11T00:00:00+01:00", "2024-03-11T01:00:00+01:00", "2024-03-11T03:00:00+02:00"),
            f"row 3 (line 4), {TIME}mixed_offsets: expected a time written like '2024-03-11T00:00:00+01:00' in row 1, got",
            id="offsets",
        ),
        pytest.param((stamp(0), "yesterday", stamp(2)), f"row 2 (line 3), {TIME}not_a_time: expected a time such as", id="no time"),
        pytest.param((stamp(0), "2024-02-30T01:00:00Z", stamp(2)), "row 2 (line 3), column timestamp: not_a_time", id="no such day"),
        pytest.param((stamp(0), "", stamp(2)), f"row 2 (line 3), {TIME}missing: expected a time, got nothing", id="empty"),
        pytest.param(("1710115200", "1710118800000", "1710122400"), "row 2 (line 3), column timestamp: mixed_times", id="units"),
        pytest.param(("20240311", "20240312", "20240313"), f"row 1 (line 2), {TIME}not_a_time", id="digits of no unit"),
        pytest.param((stamp(0), stamp(1), stamp(2.5)), f"row 3 (line 4), {TIME}off_grid: expected whole bars of 1h after", id="grid"),
        pytest.param((stamp(0), stamp(2), stamp(4)), f"{TIME}timeframe: expected neighbouring rows one of 1s", id="no timeframe"),
        pytest.param((stamp(0), stamp(2), stamp(4), stamp(8)), "got most 7200 s apart", id="a timeframe only over a gap"),
    ],
)
def test_wrong_times_are_refused_by_row_line_and_column(tmp_path: Path, times_: Sequence[str], message: str) -> None:
    error = refused(tmp_path, HEADER + "".join(f"{time},{GOOD}\n" for time in times_))
    assert message in str(error)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("x.csv", b"", "empty: expected a line that names the columns", id="empty"),
        pytest.param("x.csv", HEADER.encode(), "no_rows: expected a row for each bar", id="no rows"),
        pytest.param("x.csv", CLEAN.replace("volume", "size").encode(), "column volume: no_column", id="no volume"),
        pytest.param(
            "x.csv", CLEAN.replace("timestamp", "when").encode(), "no_column: expected a column timestamp, ts or date", id="no time"
        ),
        pytest.param("x.csv", CLEAN.replace("volume", "open").encode(), "column open: column_twice", id="twice"),
        pytest.param(
            "x.csv", CLEAN.replace(",", ";").encode(), "delimiter: expected commas between the cells, got semicolons: save", id="semi"
        ),
        pytest.param("x.csv", CLEAN.replace(",", "\t").encode(), "delimiter: expected commas between the cells, got tabs", id="tabs"),
        pytest.param("x.csv", CLEAN.encode("utf-16"), "encoding: expected text in UTF-8", id="utf-16"),
        pytest.param("x.csv", CLEAN[:-9].encode(), "row 2 (line 3): cells: expected 6 cells, got 4: '2024-03-11T01:00:00Z,11", id="cut"),
        pytest.param("x.csv", CLEAN.replace("12,9", "12,,9").encode(), "row 1 (line 2): cells: expected 6 cells, got 7", id="cells"),
        pytest.param("x.csv.gz", gzip.compress(CLEAN.encode())[:-9], "not_readable: expected a CSV file", id="cut gzip"),
        pytest.param("x.csv.gz", CLEAN.encode(), "not_readable: expected a CSV file", id="no gzip"),
        pytest.param("x.parquet", CLEAN.encode(), "not_readable: expected a Parquet file", id="no parquet"),
        pytest.param("x.xlsx", CLEAN.encode(), "file_type: expected a name ending in .csv, .csv.gz, .parquet", id="type"),
        pytest.param("x.csv", f"{HEADER}{stamp(0)},{GOOD}\n".encode(), "got a single row per symbol", id="one row"),
    ],
)
def test_a_file_that_is_no_table_of_bars_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    assert f"{name}: " in str(refused(tmp_path, content, name))
    assert message in str(refused(tmp_path, content, name))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"none\.csv: file: no_file: expected a file, got nothing of that name"):
        read_bars(tmp_path / "none.csv", None, None)
    with pytest.raises(BadData, match="no_file: expected a file, got a folder"):
        read_bars(tmp_path, None, None)


def test_the_rows_of_parquet_are_named_without_lines(tmp_path: Path) -> None:
    ts = pyarrow.array([T0, None, T0 + HOUR], pyarrow.timestamp("ns", "UTC"))
    columns = [ts, *(pyarrow.array([value, value, None]) for value in (10.0, 12.0, 9.0, 11.0, 5))]
    pyarrow.parquet.write_table(pyarrow.table(columns, names=["ts", *Columns._fields[1:]]), tmp_path / "x.parquet")
    with pytest.raises(BadData) as refusal:
        read_bars(tmp_path / "x.parquet", None, None)
    assert [(fault.row, fault.column, fault.kind) for fault in refusal.value.faults][:2] == [(2, "ts", "missing"), (3, "open", "missing")]
    assert "row 3, column volume: missing: expected a number, got nothing" in str(refusal.value)


@pytest.mark.parametrize(
    ("closing", "message"),
    [
        pytest.param(pyarrow.array([True, False]), "row 1, column close: not_a_number: expected a number, got 'True'", id="truth"),
        pytest.param(pyarrow.array([[1.0], [2.0]]), "column close: not_a_number: expected a number, got '[1.0]'", id="list"),
        pytest.param(pyarrow.array([b"\xff", b"1"]), "column close: not_a_number: expected a number, got \"b'", id="bytes"),
        pytest.param(pyarrow.array(["10", "x"]), "row 2, column close: not_a_number: expected a number, got 'x'", id="text"),
    ],
)
def test_parquet_columns_that_hold_no_numbers_are_refused(tmp_path: Path, closing: pyarrow.Array, message: str) -> None:
    columns = [pyarrow.array([stamp(0), stamp(1)]), *map(pyarrow.array, CLEAN_BARS[1:4]), closing, pyarrow.array([1, 2])]
    pyarrow.parquet.write_table(pyarrow.table(columns, names=["ts", *Columns._fields[1:]]), tmp_path / "x.parquet")
    with pytest.raises(BadData) as refusal:
        read_bars(tmp_path / "x.parquet", None, None)
    assert message in str(refusal.value)


def test_a_message_lists_ten_faults_and_counts_all(tmp_path: Path) -> None:
    error = refused(tmp_path, rows([GOOD, *["10,12,9,-11,5"] * 30]))
    assert len(error.faults) == 30
    assert error.file == tmp_path / "x.csv"
    head, *listed = str(error).splitlines()
    assert head == f"{tmp_path}/x.csv: 30 faults, the first 10:"
    assert [line.split(",")[0].strip() for line in listed] == [f"row {row} (line {row + 1})" for row in range(2, 12)]


def test_faults_of_numbers_rows_and_times_are_told_together_with_their_own_rows(tmp_path: Path) -> None:
    text = rows([GOOD, "10,12", "10,12,9,eleven,5", GOOD, GOOD], hours=[0, 1, 2, 3, 3])
    assert [(fault.row, fault.kind, fault.line) for fault in refused(tmp_path, text).faults] == [
        (2, "cells", 3),
        (3, "not_a_number", 4),
        (5, "duplicate", 6),
    ]


@pytest.mark.parametrize(
    ("symbol", "message"),
    [("aapl", "row 2 (line 3), column symbol: not_a_symbol: expected at most 32 capitals"), ("", "column symbol: not_a_symbol: expected")],
)
def test_what_is_no_symbol_is_refused(tmp_path: Path, symbol: str, message: str) -> None:
    text = f"symbol,{HEADER}A,{stamp(0)},{GOOD}\n{symbol},{stamp(0)},{GOOD}\nA,{stamp(1)},{GOOD}\n"
    assert message in str(refused(tmp_path, text))


def test_a_name_given_for_a_file_that_holds_other_symbols_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, f"symbol,{HEADER}A,{stamp(0)},{GOOD}\nA,{stamp(1)},{GOOD}\n")
    assert list(read_bars(path, "A", None).bars) == ["A"]
    with pytest.raises(BadData, match="symbol: expected no other symbol than B, got A"):
        read_bars(path, "B", None)


@pytest.mark.parametrize(("symbol", "timeframe", "message"), [("a b", None, "'a b'"), (None, "7m", "expected one of 1s, .*, got '7m'")])
def test_arguments_that_name_nothing_are_refused(tmp_path: Path, symbol: str | None, timeframe: str | None, message: str) -> None:
    with pytest.raises(BadData, match=message):
        read_bars(written(tmp_path, CLEAN), symbol, timeframe)


def test_bars_nearer_than_the_timeframe_said_are_off_its_grid(tmp_path: Path) -> None:
    assert "row 2 (line 3), column timestamp: off_grid: expected whole bars of 4h" in str(refused(tmp_path, CLEAN, timeframe="4h"))


def test_bars_further_apart_than_the_timeframe_said_are_labelled(tmp_path: Path) -> None:
    (label,) = odd(tmp_path, CLEAN, "sparse", timeframe="1m")
    assert str(label) == "X: sparse: the nearest two bars are 60 bars apart: is the timeframe right?"


@pytest.mark.parametrize(
    ("texts", "ns"),
    [
        (("2024-03-11T00:00:00Z", "2024-03-11T00:00:01Z"), (T0, T0 + SECOND)),
        (("2024-03-11 00:00:00.000000001+00:00", "2024-03-11 00:00:01.000000001+00:00"), (T0 + 1, T0 + SECOND + 1)),
        (("2024-03-11T01:00:00.5+01:00", "2024-03-11T01:00:01.5+01:00"), (T0 + SECOND // 2, T0 + SECOND * 3 // 2)),
        (("2024-03-10T19:00-0500", "2024-03-10T19:01-0500"), (T0, T0 + 60 * SECOND)),
        (("2024-03-11 00:00", "2024-03-11 00:01"), (T0, T0 + 60 * SECOND)),
        (("2024-03-11", "2024-03-12"), (T0, T0 + 24 * HOUR)),
        *(((str(T0 // per), str((T0 + SECOND) // per)), (T0, T0 + SECOND)) for per in (1, 1_000, 1_000_000, SECOND)),
        (("999999999", "1000000000"), (999999999 * SECOND, 1000000000 * SECOND)),
    ],
)
def test_times_are_read_to_the_nanosecond(tmp_path: Path, texts: Sequence[str], ns: Sequence[int]) -> None:
    found = read(tmp_path, HEADER + "".join(f"{text},{GOOD}\n" for text in texts))
    assert list(found.bars["X"].start) == list(ns)


moments = st.integers(100_000_000 * SECOND, 2**63 - 1).map(lambda ns: ns // SECOND * SECOND)
LAYOUTS = ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S.000000123+00:00"]


@given(st.lists(moments, min_size=1, max_size=5), st.sampled_from(LAYOUTS), st.booleans())
def test_times_read_all_at_once_or_one_by_one_are_the_same(seconds: list[int], layout: str, spoiled: bool) -> None:
    texts = [(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=ns // SECOND)).strftime(layout) for ns in seconds]
    column = pyarrow.chunked_array([pyarrow.array([*texts, "?"] if spoiled else texts)])
    found = times(column, "ts", range(1, len(column) + 1))
    part = 123 if "123" in layout else 0
    assert found.ns.tolist()[: len(texts)] == [ns + part for ns in seconds if ns + part < 2**63]
    assert len(found.faults) == spoiled


@given(st.lists(st.floats(1e-9, 1e12), min_size=2, max_size=6), st.booleans())
def test_every_float_comes_back_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, prices: list[float], blank: bool) -> None:
    text = closes(prices).replace(",", ", ", 7) if blank else closes(prices)
    assert list(read(tmp_path_factory.mktemp("floats"), text).bars["X"].close) == prices


@given(st.lists(st.tuples(st.integers(0, len(CLEAN)), st.binary(max_size=3), st.integers(0, 3)), min_size=1, max_size=3))
def test_whatever_is_done_to_a_file_it_is_read_or_refused_with_words(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, bytes, int]]
) -> None:
    content = CLEAN.encode()
    for at, put_in, taken_out in edits:
        content = content[:at] + put_in + content[at + taken_out :]
    faults, timeframe = outcome(written(tmp_path_factory.mktemp("edits"), content))
    assert timeframe in TIMEFRAMES or (faults and all(fault.expected and fault.got for fault in faults))


def outcome(path: Path) -> tuple[list[Fault], str]:
    try:
        return [], read_bars(path, None, None).timeframe
    except BadData as refusal:
        return refusal.faults, ""


def test_bars_missing_within_a_day_are_labelled_and_nights_are_not(tmp_path: Path) -> None:
    hours = [day * 24 + hour for day in range(3) for hour in (14, 15, 16, 17, 18) if (day, hour) not in ((1, 15), (1, 16), (2, 16))]
    (label,) = odd(tmp_path, rows([GOOD] * len(hours), hours), "gap")
    assert (label.symbol, label.row, label.bars) == ("X", 6, 3)
    assert label.text == "bars missing: 3; the most in one place: 2, after row 6"


def test_bars_missing_over_midnight_are_labelled_where_midnights_are_open(tmp_path: Path) -> None:
    hours = [hour for hour in range(24 * 4) if not 46 <= hour < 50]
    (label,) = odd(tmp_path, rows([GOOD] * len(hours), hours), "gap")
    assert (label.row, label.bars) == (46, 4)


def test_weekends_and_pauses_that_recur_are_no_gaps(tmp_path: Path) -> None:
    """Monday to Friday around the clock, but for an hour each evening."""
    hours = [day * 24 + hour for day in range(12) for hour in range(24) if day % 7 < 5 and hour != 21]
    assert odd(tmp_path, rows([GOOD] * len(hours), hours), "gap") == []


def test_weekdays_without_a_bar_are_labelled_and_weekends_are_not(tmp_path: Path) -> None:
    days = [day * 24 for day in range(26) if day % 7 < 5 and day not in (9, 15, 16)]
    (label,) = odd(tmp_path, rows([GOOD] * len(days), days), "missing_day")
    assert (label.row, label.bars) == (10, 3)
    assert label.text == "days without a bar (holidays count): 3; the most in one place: 2, after row 10"


def test_five_equal_bars_are_stale_and_four_are_not(tmp_path: Path) -> None:
    other = "10,12,9,11,6"
    assert odd(tmp_path, rows([other, *[GOOD] * 4, other]), "stale") == []
    (label,) = odd(tmp_path, rows([other, *[GOOD] * 5, other]), "stale")
    assert (label.row, label.bars) == (2, 5)


def test_bars_without_volume_are_labelled(tmp_path: Path) -> None:
    still = "10,12,9,11,0"
    (label,) = odd(tmp_path, rows([GOOD, still, GOOD, still, still]), "zero_volume")
    assert (label.row, label.bars, label.text) == (4, 3, "bars with volume 0: 3; the longest stretch: 2, from row 4")


@pytest.mark.parametrize("middle", [132, 69, 1000])
def test_a_close_far_from_two_neighbours_that_agree_is_a_spike_and_no_split(tmp_path: Path, middle: float) -> None:
    found = read(tmp_path, closes([100, 100, middle, 101, 100])).labels
    assert [(label.kind, label.row) for label in found] == [("spike", 3)]
    assert f"close {middle:g} between 100 and 101" in found[0].text


def test_a_wick_far_from_its_neighbours_is_a_spike(tmp_path: Path) -> None:
    (label,) = odd(tmp_path, rows([GOOD, "10,120,9,11,5", GOOD]), "spike")
    assert str(label) == "X: spike: row 2: high 120 between 12 and 12"


@pytest.mark.parametrize("prices", [(100, 129, 100), (100, 140, 120), (100, 71, 100)])
def test_moves_that_are_small_or_go_on_are_no_spikes(tmp_path: Path, prices: Sequence[float]) -> None:
    assert odd(tmp_path, closes(prices), "spike") == []


@pytest.mark.parametrize(
    ("prices", "row", "ratio"),
    [
        ((700, 701, 101, 99), 3, "1:7"),
        ((100, 51), 2, "1:2"),
        ((100, 67, 41, 40), None, ""),
        ((10, 10, 199, 205), 3, "20:1"),
        ((150, 59.5, 61), 2, "2:5"),
        ((100, 61, 60), None, ""),
        ((100, 55, 95), None, ""),
    ],
)
def test_a_move_of_more_than_two_fifths_that_stays_may_be_a_split(
    tmp_path: Path, prices: Sequence[float], row: int | None, ratio: str
) -> None:
    found = odd(tmp_path, closes(prices), "possible_split")
    assert [label.row for label in found] == ([] if row is None else [row])
    assert all(f"nearest simple ratio {ratio})" in label.text for label in found)


def test_times_without_a_zone_are_utc_and_labelled_but_for_dates(tmp_path: Path) -> None:
    (label,) = odd(tmp_path, CLEAN.replace("Z", ""), "no_zone")
    assert str(label) == "file: no_zone: timestamp names no zone and is read as UTC"
    days = f"{HEADER}2024-03-11,{GOOD}\n2024-03-12,{GOOD}\n"
    assert read(tmp_path, days).labels == []


def test_an_hour_missing_when_clocks_go_forward_is_labelled_as_local_time(tmp_path: Path) -> None:
    berlin = [f"2024-03-31 {hour:02}:00" for hour in (0, 1, 3, 4)]
    (label,) = odd(tmp_path, HEADER + "".join(f"{time},{GOOD}\n" for time in berlin), "local_time")
    assert (label.row, label.bars) == (2, 1)
    a_week_before = [time.replace("-31", "-24") for time in berlin]
    assert odd(tmp_path, HEADER + "".join(f"{time},{GOOD}\n" for time in a_week_before), "local_time") == []


def test_an_hour_doubled_when_clocks_go_back_is_refused_as_local_time(tmp_path: Path) -> None:
    berlin = [f"2024-10-27 {hour:02}:00" for hour in (0, 1, 2, 2, 3)]
    error = refused(tmp_path, HEADER + "".join(f"{time},{GOOD}\n" for time in berlin))
    assert [fault.kind for fault in error.faults] == ["local_time", "duplicate"]
    assert "local_time: expected times in UTC, got the hour of 2024-10-27T02:00:00Z twice" in str(error)


@pytest.mark.parametrize(
    "zone", ["Europe/London", "Europe/Berlin", "Europe/Athens", "America/New_York", "America/Chicago", "Australia/Sydney"]
)
def test_clock_changes_are_those_of_the_zones(zone: str) -> None:
    """The hour that a zone's wall clock skips or repeats, told by the change of its offset."""
    there, first = ZoneInfo(zone), datetime(2008, 1, 1, tzinfo=UTC)
    walls = [(first + timedelta(hours=hour)).astimezone(there).replace(tzinfo=None) for hour in range(8 * 8766)]
    steps = [(wall.replace(tzinfo=UTC), after - wall) for wall, after in pairwise(walls) if after - wall != timedelta(hours=1)]
    assert len(steps) == 16
    for wall, step in steps:
        if step:
            assert is_skipped(int(wall.timestamp() + 3600) * SECOND)
        else:
            assert is_repeated(int(wall.timestamp()) * SECOND)
