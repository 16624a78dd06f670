"""`fleet logs` from the files of this host."""

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fleet import log_files
from fleet.log_files import Follower, LogFiles
from fleet.log_lines import LogLine, Screen, Story, Wanted, clean, title
from fleet.logs import moment_of
from libs.common.clocks import SystemClock

BEGIN = datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC)
SIGNAL = "175ad979-6517-50b2-9d33-6e330c749a5b"
ORDER = "275ea10f-4877-53c7-aeea-eaee184f7dde"


def a_record(ms: int, message: str, *, level: str = "info", signal: str = "", **labels: str) -> str:
    """A line as a service writes it, so long after the beginning."""
    at = (BEGIN + timedelta(milliseconds=ms)).isoformat().replace("+00:00", "Z")
    trace = {"trace": {"id": signal}} if signal else {}
    return (
        json.dumps({"@timestamp": at, "log.level": level, "message": message, "service": {"name": "one"}, "labels": labels, **trace}) + "\n"
    )


def messages(folder: Path) -> list[str]:
    return [line.message for line in log_files.read(folder)]


def test_services_are_read_as_one_log_with_what_was_put_aside_first(tmp_path: Path) -> None:
    (tmp_path / "one.log.1").write_text(a_record(1, "a") + a_record(4, "d"))
    (tmp_path / "one.log").write_text(a_record(5, "e"))
    (tmp_path / "two.log").write_text(a_record(2, "b") + a_record(3, "c") + a_record(6, "f"))
    assert messages(tmp_path) == list("abcdef")


def test_a_line_that_is_no_record_is_shown_at_the_time_of_the_one_before(tmp_path: Path) -> None:
    torn = a_record(9, "torn")[:40]
    (tmp_path / "one.log").write_text(a_record(1, "a") + 'Traceback\n\n{"message": 1}\n' + torn)
    (tmp_path / "two.log").write_text(a_record(2, "b"))
    lines = list(log_files.read(tmp_path))
    assert [line.message for line in lines] == ["a", "Traceback", '{"message": 1}', torn, "b"]
    assert [line.raw for line in lines] == [False, True, True, True, False]
    assert {line.at for line in lines[:4]} == {lines[0].at}


async def test_lines_that_are_no_records_are_counted_even_when_not_shown(tmp_path: Path) -> None:
    (tmp_path / "one.log").write_bytes(b"\xff\xfe nothing\n" + a_record(1, "a", signal=SIGNAL).encode())
    logs = LogFiles(tmp_path)
    assert [line.message for line in await logs.lines(Wanted(story=Story(SIGNAL)))] == ["a"]
    assert logs.raw == 1


@pytest.mark.parametrize(
    "text", [ORDER[:6], ORDER.replace("-", ""), ORDER.upper(), SIGNAL[:9], "twndE5PK", "TWNDE5PKCD2IO5J4PLXK5LXBQT353YZ9"]
)
async def test_a_story_is_found_by_the_beginning_of_any_of_its_ids(tmp_path: Path, text: str) -> None:
    ids = {"signal_id": SIGNAL, "order_id": ORDER, "client_order_id": "TWNDE5PKCD2IO5J4PLXK5LXBQT353Y1"}
    (tmp_path / "one.log").write_text(a_record(1, "a", signal=SIGNAL, **ids) + a_record(2, "b", signal="f" * 32, order_id="e" * 32))
    assert await LogFiles(tmp_path).signals(text) == [SIGNAL]


def test_following_waits_for_the_end_of_a_line_and_goes_on_in_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "one.log"
    path.write_text(a_record(1, "before"))
    whole = a_record(2, "b")
    with closing(Follower(tmp_path)) as follower:
        with path.open("a") as file:
            file.write(whole[:20])
            file.flush()
            assert follower.look() == []
            file.write(whole[20:] + a_record(3, "c"))
        path.replace(tmp_path / "one.log.1")
        path.write_text(a_record(4, "d"))
        (tmp_path / "two.log").write_text(a_record(5, "e"))
        assert [line.message for line in follower.look()] == ["b", "c", "d", "e"]
        path.write_text("")
        assert follower.look() == []


def test_a_story_is_told_in_a_hundred_columns_with_its_days_and_milliseconds() -> None:
    line = LogLine.read(a_record(0, "short", signal=SIGNAL).encode())
    late = LogLine.read(a_record(1500, "long " * 30, level="error").encode())
    screen = Screen(since=line.at)
    rows = [*screen.rows(line), *screen.rows(late)]
    assert rows[0] == "2026-03-01, UTC  SINCE, ms"
    assert rows[1] == "23:59:59.000        0.0  one              short"
    assert rows[2].startswith("2026-03-02, UTC")
    assert rows[3].startswith("00:00:00.500    1,500.0  one              ERROR long long")
    assert rows[4].startswith(" " * 42 + "long")
    assert max(map(len, rows)) <= 100


def test_a_stack_trace_is_told_below_its_line() -> None:
    record = json.loads(a_record(0, "it failed", level="error"))
    record["error"] = {"type": "ValueError", "message": "no", "stack_trace": "Traceback:\n  File x\nValueError: no\n"}
    rows = list(Screen().rows(LogLine.stored(record)))
    assert rows[1:] == ["23:59:59.000  ERROR     one              it failed", "    Traceback:", "      File x", "    ValueError: no"]


def test_a_line_can_neither_steer_the_terminal_nor_begin_another_line() -> None:
    assert clean("a\x1b[2Jb\r\nc\x9b") == "a\\x1b[2Jb\\x0d\\nc\\x9b"


def test_a_story_names_its_order_signal_and_strategy() -> None:
    ids = {"order_id": ORDER, "client_order_id": "TWND1", "signal_id": SIGNAL, "strategy": "sma", "symbol": "ALFA", "account_id": "paper"}
    assert title([LogLine.read(a_record(0, "a", **ids).encode())]) == [
        f"order       {ORDER}, at the venue TWND1",
        f"signal      {SIGNAL}",
        "            strategy sma, on ALFA, account paper",
    ]


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("10m", 600), ("1.5h", 5400), ("2d", 172800)])
def test_since_is_so_long_ago(text: str, seconds: float) -> None:
    clock = SystemClock()
    ago = datetime.fromtimestamp(clock.now_ns() / 1e9, UTC) - moment_of(text, clock)
    assert abs(ago.total_seconds() - seconds) < 1


def test_since_is_a_moment_or_names_what_was_expected() -> None:
    assert moment_of("2026-03-01T09:30", SystemClock()) == datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    with pytest.raises(ValueError, match="expected 30s, 10m, 2h, 1d or a moment"):
        moment_of("yesterday", SystemClock())
