"""Telling of what goes on and on, without a line for each."""


class Tenfold:
    """Says when a growing count is worth a line: at 1, at 10, at 100, and so on."""

    def __init__(self) -> None:
        self._next = 1

    def due(self, count: int) -> bool:
        """Whether it has reached the next of them; true once for each."""
        if count < self._next:
            return False
        while self._next <= count:
            self._next *= 10
        return True
