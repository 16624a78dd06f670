"""How far a long backtest has come, for whoever waits for it."""

from collections.abc import Callable, Iterator
from typing import Final, Protocol, TypeVar

T = TypeVar("T")

Seen = Callable[[str, int, int], None]
"""(what, how many of it are done, of how many)."""
EVERY: Final = 8192
"""Bars between two words about them: some milliseconds."""


class Passing(Protocol):
    """What items go through unchanged on their way."""

    def __call__(self, items: Iterator[T], /) -> Iterator[T]: ...


class Counting:
    """Items that are counted as they go by; at the end all are done."""

    def __init__(self, seen: Seen, what: str, of: int, *, before: int = 0, each: int = 1, every: int = EVERY) -> None:
        """
        Args:
            before: how many were done already.
            each: how many one item counts.
            of: how many there are in all; more are never told.
            every: items between two words.
        """
        self._seen, self._what, self._of = seen, what, of
        self._before, self._each, self._every = before, each, every

    def __call__(self, items: Iterator[T], /) -> Iterator[T]:
        for n, item in enumerate(items):
            if n % self._every == 0:
                self._seen(self._what, min(self._before + n * self._each, self._of), self._of)
            yield item
