"""Splits, dividends and funding rates out of a person's files, and what is wrong in them by row and column."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from libs.venues.bar_faults import BadData
from libs.venues.side_files import read_actions, read_funding
from tests.paper import D

DAY = 86_400 * 10**9
JAN_7 = 1_736_208_000 * 10**9
HEAD = "symbol,effective,kind,ratio,cash\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "side.csv"
    path.write_text(text)
    return path


def test_splits_and_dividends_are_read_in_order_of_their_day(tmp_path: Path) -> None:
    text = HEAD + "ALFA,2025-01-08,dividend,,0.25\nALFA,2025-01-07,split,0.1,\n"
    split, dividend = read_actions(written(tmp_path, text), "FILE")
    assert (split.kind, split.effective, split.ratio, split.cash) == ("split", JAN_7, D("0.1"), D(0))
    assert (dividend.kind, dividend.effective, dividend.ratio, dividend.cash) == ("dividend", JAN_7 + DAY, D(1), D("0.25"))


def test_a_moment_does_for_a_day(tmp_path: Path) -> None:
    (split,) = read_actions(written(tmp_path, HEAD + "ALFA,2025-01-07T14:30:00Z,split,2,0\n"), "FILE")
    assert split.effective == JAN_7 + 52_200 * 10**9


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("ALFA,2025-01-07,spinoff,,", "row 2 (line 3), column kind: kind: expected split or dividend, got 'spinoff'"),
        ("alfa,2025-01-07,split,2,", "row 2 (line 3), column symbol: not_a_symbol"),
        ("ALFA,7.1.2025,split,2,", "row 2 (line 3), column effective: not_a_time"),
        ("ALFA,,split,2,", "row 2 (line 3), column effective: missing"),
        ("ALFA,2025-01-07,split,,", "row 2 (line 3), column ratio: ratio: expected new units for each old one"),
        ("ALFA,2025-01-07,split,-2,", "row 2 (line 3), column ratio: ratio"),
        ("ALFA,2025-01-07,split,2:1,", "row 2 (line 3), column ratio: not_a_number"),
        ("ALFA,2025-01-07,split,2,0.5", "row 2 (line 3), column cash: cash: expected nothing"),
        ("ALFA,2025-01-07,dividend,2,0.5", "row 2 (line 3), column ratio: ratio: expected nothing"),
        ("ALFA,2025-01-07,dividend,,0", "row 2 (line 3), column cash: cash: expected an amount"),
        ("ALFA,2025-01-06,split,2,", "row 2 (line 3), column effective: twice: expected each action once"),
        ("ALFA,2025-01-07,split", "row 2 (line 3): cells: expected 5 cells, got 3"),
    ],
)
def test_what_is_wrong_is_named_by_file_row_and_column(tmp_path: Path, row: str, said: str) -> None:
    path = written(tmp_path, f"{HEAD}ALFA,2025-01-06,split,2,\n{row}\n")
    with pytest.raises(BadData) as refused:
        read_actions(path, "FILE")
    assert str(path) in str(refused.value)
    assert said in str(refused.value)
    assert "faults" not in str(refused.value)


def test_a_column_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="column kind: no_column: expected a column kind, got symbol, date"):
        read_actions(written(tmp_path, "symbol,date\nALFA,2025-01-07\n"), "FILE")


def test_funding_is_a_share_in_the_file_and_per_cent_to_us(tmp_path: Path) -> None:
    text = "timestamp,symbol,funding_rate\n2025-01-07T08:00:00Z,B:USD,-0.0002\n2025-01-07T00:00:00Z,B:USD,0.0001\n"
    found = read_funding(written(tmp_path, text), {"A:USD", "B:USD"})
    assert found == {"B:USD": [("B:USD", JAN_7, D("0.01")), ("B:USD", JAN_7 + DAY // 3, D("-0.02"))]}


def test_a_recorded_file_of_one_symbol_needs_no_name_and_may_be_parquet(tmp_path: Path) -> None:
    path = tmp_path / "funding.parquet"
    table = pyarrow.table({"ts": [datetime(2025, 1, 7, tzinfo=UTC)], "funding_rate": [0.0001]})
    pyarrow.parquet.write_table(table, path)
    assert read_funding(path, {"B:USD"}) == {"B:USD": [("B:USD", JAN_7, D("0.01"))]}


def test_funding_in_per_cent_is_no_share(tmp_path: Path) -> None:
    text = "timestamp,funding_rate\n2025-01-07T08:00:00Z,0.25\n"
    with pytest.raises(BadData, match=r"row 1 \(line 2\), column funding_rate: rate: expected a share of the notional such as 0.0001"):
        read_funding(written(tmp_path, text), {"B:USD"})
