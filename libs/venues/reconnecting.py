"""Connecting again and again, for ever: a venue that is away for hours is found when it comes back."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Never


class Backoff:
    """Pauses that double up to a cap, until something works again."""

    def __init__(self, first_s: float = 0.25, most_s: float = 15.0) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._next_s = first_s

    def next_s(self) -> float:
        """How long to stay away this time."""
        pause = self._next_s
        self._next_s = min(self._most_s, 2 * pause)
        return pause

    def reset(self) -> None:
        """It works: the next trouble is a new one."""
        self._next_s = self._first_s


async def reconnecting(
    connection: Callable[[], Awaitable[None]],
    broken: Callable[[Exception], None],
    backoff: Backoff,
    rest: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Never:
    """Runs `connection` again after each of its ends, with a pause in between.

    Args:
        connection: connects and listens; calls `backoff.reset` once it works. To return is to have been closed.
        broken: is told of each end.
    """
    while True:
        try:
            await connection()
            end: Exception = ConnectionError("the venue closed the connection")
        except Exception as error:  # whatever it is, the next connection may be well
            end = error
        broken(end)
        await rest(backoff.next_s())
