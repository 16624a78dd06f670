"""The operator's terminal: taken over whole, painted line by line, and given back as it was found.

Nothing here waits for the terminal. One that is stopped (Ctrl-S) or slow must not stop the supervisor, so frames go to a
descriptor of its own that does not block, and a frame is left out while the one before it is still on its way.
"""

import asyncio
import codecs
import os
import select
import termios
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from io import StringIO
from typing import Any, Final, TextIO

from rich.console import Console, RenderableType

ENTER: Final = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"  # other screen, no cursor, no wrapping, clear
LEAVE: Final = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
AS_ONE: Final = ("\x1b[?2026h", "\x1b[?2026l")  # terminals that know it show all that is between at once
LAST_WORD_S: Final = 0.5  # for what was still on its way when the terminal is given back


class Canvas:
    """Turns what rich can draw into lines with their colours."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._no_color = bool(environment.get("NO_COLOR"))

    def lines(self, drawn: RenderableType, width: int, height: int) -> list[str]:
        """As they are written to a terminal of that size."""
        file = StringIO()
        Console(
            file=file,
            width=width,
            height=height,
            force_terminal=True,
            color_system="standard",
            no_color=self._no_color,
            highlight=False,
            legacy_windows=False,
        ).print(drawn, end="")
        return file.getvalue().split("\n")[:height]


def difference(before: Sequence[str], after: Sequence[str]) -> str:
    """What to write so that the lines of `before` become those of `after`; "" when they are the same."""
    changed = [f"\x1b[{n};1H{line}" for n, line in enumerate(after, 1) if n > len(before) or before[n - 1] != line]
    return "".join((AS_ONE[0], *changed, AS_ONE[1])) if changed else ""


def usable(stdout: TextIO, environment: Mapping[str, str], least: tuple[int, int]) -> bool:
    """Whether a screen can be shown there: a terminal of at least so many columns and rows, in the foreground, that can move its
    cursor."""
    if environment.get("TERM", "dumb") in ("", "dumb") or (stdout.encoding or "").lower().replace("-", "") != "utf8":
        return False
    try:
        fd = stdout.fileno()
        if not os.isatty(fd) or not _in_the_foreground(fd):
            return False
        size = os.get_terminal_size(fd)
        os.close(_own(fd))
    except (OSError, ValueError):
        return False
    return size.columns >= least[0] and size.lines >= least[1]


def _in_the_foreground(fd: int) -> bool:
    """Whether we may touch the terminal: a job in the background that does is stopped. One that is not ours to control stops nobody."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return True


def _own(fd: int) -> int:
    """A descriptor of our own for the same terminal: making it non-blocking does not touch the shell's."""
    return os.open(os.ttyname(fd), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)


class Terminal:
    """One terminal, from `open` to `close`; both within the event loop."""

    def __init__(self, stdout: int, stdin: int, typed: Callable[[str], None], gone: Callable[[], None]) -> None:
        """`typed` gets what comes from the keyboard; `gone` is called once when the terminal is no longer there."""
        self._stdout = stdout
        self._stdin = stdin
        self._typed = typed
        self._gone = gone
        self._out = -1
        self._found: list[Any] | None = None  # the modes of the keyboard as we found them
        self._shown: Sequence[str] = ()
        self._waiting = b""
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")

    @property
    def keys(self) -> bool:
        """Whether there is a keyboard."""
        return os.isatty(self._stdin)

    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        size = os.get_terminal_size(self._stdout)
        return size.columns, size.lines

    def open(self) -> None:
        """Takes the terminal.

        Raises:
            OSError: it is not there; nothing was changed.
        """
        self._out = _own(self._stdout)
        if self.keys:
            self._found = termios.tcgetattr(self._stdin)
            self._set_modes()
            asyncio.get_running_loop().add_reader(self._stdin, self._read)
        self._write(ENTER.encode())

    def resume(self) -> None:
        """After the process was stopped and let go on: the shell may have changed everything."""
        if self._out >= 0:
            if self._found is not None:
                self._set_modes()
            self.forget()
            self._write(ENTER.encode())

    def forget(self) -> None:
        """The next frame is painted whole."""
        self._shown = ()

    def paint(self, lines: Sequence[str]) -> bool:
        """Shows a frame; False when the one before it is still on its way, and this one was left out."""
        if self._out < 0:
            return True
        if self._waiting:
            return False
        clear = "\x1b[2J" if not self._shown else ""
        change = difference(self._shown, lines)
        self._shown = lines
        if change:
            self._write(f"{clear}{change}".encode())
        return True

    def close(self) -> None:
        """Puts everything back. Called again it does nothing; never raises, never waits for long."""
        if self._out < 0:
            return
        out, self._out = self._out, -1
        with suppress(RuntimeError, OSError):
            loop = asyncio.get_running_loop()
            loop.remove_writer(out)
            loop.remove_reader(self._stdin)
        if self._found is not None:
            with suppress(termios.error):
                termios.tcflush(self._stdin, termios.TCIFLUSH)  # nothing typed at the screen may run in the shell
                termios.tcsetattr(self._stdin, termios.TCSANOW, self._found)
        _last_word(out, self._waiting + LEAVE.encode())
        os.close(out)

    def _set_modes(self) -> None:
        """Keys one by one and unseen. Ctrl-C stays what it is; Ctrl-Z and Ctrl-\\ are off: a stopped supervisor supervises nothing."""
        modes = termios.tcgetattr(self._stdin)
        modes[3] &= ~(termios.ICANON | termios.ECHO)
        off = bytes([os.fpathconf(self._stdin, "PC_VDISABLE")])
        modes[6][termios.VMIN], modes[6][termios.VTIME] = 1, 0
        modes[6][termios.VSUSP] = modes[6][termios.VQUIT] = off
        termios.tcsetattr(self._stdin, termios.TCSANOW, modes)

    def _read(self) -> None:
        try:
            found = os.read(self._stdin, 4096)
        except BlockingIOError:
            return
        except OSError:
            found = b""
        if found:
            self._typed(self._decoder.decode(found))
        else:  # hung up
            asyncio.get_running_loop().remove_reader(self._stdin)

    def _write(self, data: bytes) -> None:
        self._waiting += data
        self._flush()

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                self._waiting = self._waiting[os.write(self._out, self._waiting) :]
        except BlockingIOError:
            loop.add_writer(self._out, self._flush)
            return
        except OSError:  # hung up
            self._waiting = b""
            self.close()
            self._gone()
            return
        loop.remove_writer(self._out)


def _last_word(out: int, data: bytes) -> None:
    with suppress(OSError):
        while data and select.select([], [out], [], LAST_WORD_S)[1]:
            data = data[os.write(out, data) :]
