"""How often, and after which pauses, a service that ends is started again."""

from collections import deque
from typing import Final


class Backoff:
    """Three tries within a minute, each later than the one before."""

    DELAYS_S: Final = (0.1, 1.0, 3.0)
    WINDOW_S: Final = 60.0

    def __init__(self) -> None:
        self._ends: deque[float] = deque()

    def delay(self, now: float) -> float | None:
        """Seconds to wait before the next try, its end having come at `now` (monotonic); None: it has had its tries."""
        while self._ends and now - self._ends[0] >= self.WINDOW_S:
            self._ends.popleft()
        if len(self._ends) == len(self.DELAYS_S):
            return None
        self._ends.append(now)
        return self.DELAYS_S[len(self._ends) - 1]
