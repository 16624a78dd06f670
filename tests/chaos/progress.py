"""How far a long run has come, on stderr."""

import sys
import time
from typing import Final

EVERY_S: Final = 5.0


class Progress:
    """Tells now and then how much is done and how long the rest will take."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._total = self._done = 0
        self._began = self._told = time.monotonic()

    def begin(self, total: int) -> None:
        """So many steps from here on."""
        self._total, self._done = total, 0
        self._began = self._told = time.monotonic()

    def step(self, said: str) -> None:
        """One is done."""
        self._done += 1
        now = time.monotonic()
        if now - self._told >= EVERY_S or self._done == self._total:
            self._told = now
            left_s = (now - self._began) / self._done * (self._total - self._done)
            self.say(f"{self._done} of {self._total}, {left_s / 60:.1f} min left; {said}")

    def say(self, text: str) -> None:
        """A line for whoever watches."""
        print(f"chaos: {self._what}: {text}", file=sys.stderr, flush=True)
