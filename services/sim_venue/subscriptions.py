"""Who listens to the venue."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

MOST_WAITING: Final = 10_000
"""Items that a subscription holds for its reader."""


class Subscription(Generic[T]):
    """A bounded queue of what happens from now on. One that is not read in time is ended, as a venue does."""

    def __init__(self, closed: Callable[["Subscription[T]"], object], most: int = MOST_WAITING) -> None:
        """`closed` is called once with the subscription, when nothing more can come of it."""
        self._items: deque[T] = deque()
        self._most = most
        self._closed = closed
        self._ended = False
        self._news = asyncio.Event()
        self.overrun = False

    def put(self, item: T) -> None:
        """One more, or the end of the subscription when its reader is too far behind."""
        if len(self._items) >= self._most:
            self.overrun = True
            self._items.clear()
            self.close()
        elif not self._ended:
            self._items.append(item)
            self._news.set()

    def __aiter__(self) -> "Subscription[T]":
        return self

    async def __anext__(self) -> T:
        """The next; ends when closed, or when the reader fell too far behind (`overrun` is then true)."""
        while not self._items:
            if self._ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._items.popleft()

    def close(self) -> None:
        """No more of it; what waits can still be taken."""
        if not self._ended:
            self._ended = True
            self._news.set()
            self._closed(self)
