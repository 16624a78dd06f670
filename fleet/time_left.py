"""How far long work is and how long it will take, once known, on stderr: on a terminal a line written over, else one each 15 seconds."""

import sys
from typing import Final, TextIO

from libs.common.clocks import HostClock, SystemClock

PATIENCE: Final = 2.0  # s; nobody needs to be told of what is over before, and nothing is known of what has taken less
OVER: Final = 0.5  # s between two lines on a terminal
APART: Final = 15.0  # s between two lines elsewhere


class TimeLeft:
    """Of one piece of work after another; a new name begins a new one."""

    def __init__(self, stream: TextIO, clock: HostClock, *, terminal: bool) -> None:
        self._stream, self._clock, self._terminal = stream, clock, terminal
        self._what = ""
        self._began = self._told = clock.monotonic()
        self._first = 0
        self._width = 0
        self._waits = PATIENCE

    @classmethod
    def on_stderr(cls) -> "TimeLeft":
        return cls(sys.stderr, SystemClock(), terminal=sys.stderr.isatty())

    def seen(self, what: str, done: int, of: int) -> None:
        """So many are done."""
        now = self._clock.monotonic()
        if what != self._what:
            self._what, self._began, self._first = what, now, done
        if done >= of:
            self._wipe()
        elif now - self._told >= self._waits and (self._first or now - self._began >= PATIENCE):
            self._tell(f"fleet: {what}: {done / of:.0%} of {of:,}{self._left(now, done, of)}")
            self._told, self._waits = now, OVER if self._terminal else APART

    def _left(self, now: float, done: int, of: int) -> str:
        """How long it will take, as its last seconds went; "" where they are too few to say. Of work that is first heard of when
        some of it is done already, nobody knows when it began."""
        if now - self._began < PATIENCE or done <= self._first:
            return ""
        return f", about {_words((now - self._began) / (done - self._first) * (of - done))} left"

    def _tell(self, text: str) -> None:
        if not self._terminal:
            print(text, file=self._stream, flush=True)
            return
        self._stream.write(f"\r{text.ljust(self._width)}")
        self._stream.flush()
        self._width = len(text)

    def _wipe(self) -> None:
        if self._width:
            self._stream.write(f"\r{' ' * self._width}\r")
            self._stream.flush()
            self._width = 0


def _words(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
