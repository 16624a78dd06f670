"""The terminal is a real pseudo terminal."""

import asyncio
import os
import pty
import select
import termios
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from fleet.screen.terminal import ENTER, LEAVE, Terminal, difference, usable

LEAST = (80, 24)
XTERM = {"TERM": "xterm-256color"}


class Pair:
    """A terminal, and the person before it."""

    def __init__(self) -> None:
        self.person, self.terminal = pty.openpty()
        self.keys = asyncio.Queue[str]()
        self.gone = 0

    def open(self) -> Terminal:
        made = Terminal(self.terminal, self.terminal, self.keys.put_nowait, self._left)
        made.open()
        return made

    def _left(self) -> None:
        self.gone += 1

    def modes(self) -> list[object]:
        return termios.tcgetattr(self.terminal)

    def seen(self) -> str:
        os.set_blocking(self.person, False)
        found = b""
        while True:
            try:
                found += os.read(self.person, 65_536)
            except (BlockingIOError, OSError):
                return found.decode()


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    for fd in (made.person, made.terminal):
        try:
            os.close(fd)
        except OSError:
            pass


def test_only_lines_that_changed_are_written() -> None:
    assert difference(["a", "b", "c"], ["a", "B", "c"]) == "\x1b[?2026h\x1b[2;1HB\x1b[?2026l"
    assert difference(["a"], ["a"]) == ""
    assert difference([], ["a", "b"]).count("H") == 2


async def test_a_terminal_is_given_back_as_it_was_found(pair: Pair) -> None:
    before = pair.modes()
    terminal = pair.open()
    assert pair.modes() != before
    terminal.paint(["hello"])
    terminal.close()
    terminal.close()
    assert pair.modes() == before
    said = pair.seen()
    assert said.startswith(ENTER)
    assert "hello" in said
    assert said.endswith(LEAVE)


async def test_what_was_typed_and_not_read_does_not_reach_the_shell(pair: Pair) -> None:
    terminal = pair.open()
    os.write(pair.person, b"make run\n")
    assert select.select([pair.terminal], [], [], 1)[0]
    terminal.close()
    assert not select.select([pair.terminal], [], [], 0)[0]


async def test_control_c_still_interrupts_and_control_z_does_not_stop(pair: Pair) -> None:
    terminal = pair.open()
    modes = termios.tcgetattr(pair.terminal)
    terminal.close()
    assert modes[3] & termios.ISIG
    assert not modes[3] & (termios.ICANON | termios.ECHO)
    assert modes[6][termios.VINTR] == b"\x03"
    assert modes[6][termios.VSUSP] == b"\x00"


async def test_keys_come_at_once_and_a_sign_in_two_pieces_is_one_key(pair: Pair) -> None:
    terminal = pair.open()
    came = []
    for piece in (b"k", b"\xc3", b"\xa9"):
        os.write(pair.person, piece)
        came.append(await pair.keys.get())
    terminal.close()
    assert came == ["k", "", "é"]


async def test_a_terminal_that_takes_nothing_is_not_waited_for(pair: Pair) -> None:
    terminal = pair.open()
    frames = 0
    while terminal.paint([f"{frames} " + "x" * 4000]) and frames < 1000:
        frames += 1
    assert frames < 1000  # nobody reads: at last a frame is left out, and we are here to tell
    pair.seen()
    while not terminal.paint(["the newest"]):
        pair.seen()
        await asyncio.sleep(0)
    terminal.close()
    assert "the newest" in pair.seen()


async def test_a_terminal_that_hangs_up_is_noticed_once(pair: Pair) -> None:
    terminal = pair.open()
    os.close(pair.person)
    terminal.paint(["a"])
    terminal.paint(["b"])
    terminal.close()
    assert pair.gone == 1


@pytest.mark.parametrize(
    ("columns", "rows", "can"), [(80, 24, True), (79, 24, False), (80, 23, False)], ids=["just large enough", "narrow", "low"]
)
def test_a_terminal_is_used_from_a_size_on(pair: Pair, columns: int, rows: int, can: bool) -> None:
    termios.tcsetwinsize(pair.terminal, (rows, columns))
    with open(pair.terminal, "w", encoding="utf-8", closefd=False) as out:
        assert usable(out, XTERM, LEAST) == can


def test_a_file_is_no_terminal(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w", encoding="utf-8") as out:
        assert not usable(out, XTERM, LEAST)
    assert not usable(StringIO(), XTERM, LEAST)


@pytest.mark.parametrize("environment", [{}, {"TERM": ""}, {"TERM": "dumb"}])
def test_a_terminal_that_cannot_move_its_cursor_is_not_used(pair: Pair, environment: dict[str, str]) -> None:
    termios.tcsetwinsize(pair.terminal, (30, 100))
    with open(pair.terminal, "w", encoding="utf-8", closefd=False) as out:
        assert not usable(out, environment, LEAST)
