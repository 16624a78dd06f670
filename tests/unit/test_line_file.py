"""A file of lines that has room ahead of its end: what a power cut may leave of it, and what is damage."""

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.venues.line_file import LineFile, LineFileDamaged, read

ROOM = 8_192
SECTOR = 512


def written(path: Path, lines: list[bytes]) -> bytes:
    """What is on disk after these lines, while the file is open."""
    path.unlink(missing_ok=True)
    file, _ = LineFile.open(path, room=ROOM)
    for line in lines:
        file.append(line)
    data = path.read_bytes()
    file.close()
    return data


def test_room_is_made_ahead_and_given_back(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    data = written(path, [b"a", b"b" * 10_000])
    assert len(data) % ROOM == 0
    assert read(path, data).payloads == [b"a", b"b" * 10_000]
    assert path.read_bytes() == data.rstrip(b"\0")


def test_a_kill_leaves_room_and_nothing_to_cut_off(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "lines"
    path.write_bytes(written(path, [b"a", b"b"]))
    with caplog.at_level(logging.WARNING):
        file, payloads = LineFile.open(path, room=ROOM)
    file.append(b"c")
    file.close()
    assert (payloads, caplog.records) == ([b"a", b"b"], [])
    assert LineFile.open(path)[1] == [b"a", b"b", b"c"]


@given(last=st.integers(1, 6_000), lost=st.sets(st.integers(0, 20)))
def test_whatever_a_power_cut_leaves_of_the_last_line_those_before_it_are_there(
    last: int, lost: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("lines") / "lines"
    kept = [b"first" * 50, b"second"]
    before = written(path, kept)
    data = bytearray(written(path, [*kept, b"x" * last]))
    for sector in lost:
        data[sector * SECTOR : (sector + 1) * SECTOR] = before[sector * SECTOR : (sector + 1) * SECTOR].ljust(SECTOR, b"\0")
    path.write_bytes(data)
    file, payloads = LineFile.open(path, room=ROOM)
    assert payloads[:2] == kept
    file.append(b"third")
    file.close()
    assert LineFile.open(path)[1] == [*payloads, b"third"]


@pytest.mark.parametrize("at", [3, 12])
def test_lines_that_others_follow_were_not_cut_off_by_a_power_cut(tmp_path: Path, at: int) -> None:
    path = tmp_path / "lines"
    data = bytearray(written(path, [b"first", b"second", b"third"]))
    data[at] = 0
    path.write_bytes(data)
    with pytest.raises(LineFileDamaged, match="line 1"):
        LineFile.open(path, room=ROOM)
