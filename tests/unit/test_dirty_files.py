"""The recorded files with known faults: each file of bars is refused or labelled as docs/dirty-data.md says."""

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest

from libs.venues.bar_files import BadData, FileBars, read_bars


@pytest.fixture
def dirty() -> Path:
    root = os.environ.get("MARKET_DATA_DIR")
    if not root:
        pytest.skip("MARKET_DATA_DIR is not set")
    return Path(root) / "dirty"


def refusal(path: Path) -> BadData:
    with pytest.raises(BadData) as refused:
        read_bars(path, None, None)
    return refused.value


def labelled(found: FileBars) -> dict[str, tuple[int, int]]:
    return {label.kind: (label.row, label.bars) for label in found.labels}


def repaired(dirty: Path, file: str, clean: str, folder: Path, rows: Iterable[int]) -> Path:
    """The file with rows (from 1) as they are in the clean slice."""
    lines, whole = (dirty / file).read_text().splitlines(), (dirty / "clean" / clean).read_text().splitlines()
    return written(folder / file, [whole[at] if at in set(rows) else line for at, line in enumerate(lines)])


def written(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


REFUSED = {
    "aapl_1m_bad_prints.csv": [
        (91, "low", "high_low"),
        (151, "low", "not_positive"),
        (181, "open", "not_positive"),
        (221, "high", "high_low"),
        (241, "high", "high_low"),
        (261, "volume", "negative_volume"),
        (301, "close", "missing"),
    ],
    "aapl_1m_gaps_dups_stale.csv": [(32, "ts", "duplicate"), (187, "ts", "duplicate"), (238, "ts", "duplicate")],
    "aapl_1m_out_of_order.csv": [(row, "ts", "out_of_order") for row in (27, 122, 216, 262)],
    "btcusdt_1h_bom_crlf_semicolon.csv": [(None, None, "delimiter")],
    "btcusdt_1h_misc.csv": [(151, "high", "not_a_number")],
    "btcusdt_1h_truncated.csv": [(251, None, "cells")],
}


@pytest.mark.parametrize("file", REFUSED)
def test_a_file_with_wrong_rows_is_refused_for_just_those(dirty: Path, file: str) -> None:
    assert [(fault.row, fault.column, fault.kind) for fault in refusal(dirty / file).faults] == REFUSED[file]


@pytest.mark.parametrize(
    ("file", "labels"),
    [
        ("aapl_daily_split_half_adjusted.csv", {"missing_day": (17, 2), "possible_split": (11, 1)}),
        ("aapl_daily_split_unannounced.csv", {"missing_day": (17, 2), "possible_split": (27, 1)}),
        ("btcusdt_1h_local_time_dst.csv", {"no_zone": (1, 300), "gap": (274, 1), "local_time": (274, 1)}),
    ],
)
def test_a_file_that_is_only_odd_is_labelled(dirty: Path, file: str, labels: Mapping[str, tuple[int, int]]) -> None:
    assert labelled(read_bars(dirty / file, None, None)) == labels


def test_a_spiked_high_is_labelled_once_the_wrong_rows_are_repaired(dirty: Path, tmp_path: Path) -> None:
    path = repaired(dirty, "aapl_1m_bad_prints.csv", "aapl_1m.csv", tmp_path, (91, 151, 181, 221, 241, 261, 301))
    assert labelled(read_bars(path, None, None)) == {"spike": (51, 1)}


def test_gaps_and_a_stale_feed_are_labelled_once_duplicates_are_gone(dirty: Path, tmp_path: Path) -> None:
    lines = (dirty / "aapl_1m_gaps_dups_stale.csv").read_text().splitlines()
    path = written(tmp_path / "x.csv", [line for at, line in enumerate(lines) if at not in (32, 187, 238)])
    assert labelled(read_bars(path, None, None)) == {"gap": (60, 16), "stale": (318, 21)}


def test_flat_bars_are_labelled_once_the_number_is_repaired(dirty: Path, tmp_path: Path) -> None:
    path = repaired(dirty, "btcusdt_1h_misc.csv", "btcusdt_1h.csv", tmp_path, (151,))
    assert labelled(read_bars(path, None, None)) == {"stale": (81, 6), "zero_volume": (81, 6)}


@pytest.mark.parametrize("file", ["aapl_1m.csv", "btcusdt_1h.csv"])
def test_the_clean_slices_are_read_without_a_label(dirty: Path, file: str) -> None:
    found = read_bars(dirty / "clean" / file, None, None)
    with (dirty / "clean" / file).open() as lines:
        closes = [float(row["close"]) for row in csv.DictReader(lines)]
    assert found.labels == []
    assert list(found.bars["DATA"].close) == closes
