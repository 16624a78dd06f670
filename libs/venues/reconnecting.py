"""Connecting again and again, for ever: a venue that is away for hours is found when it comes back."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Never

CANCEL_AGAIN_S: Final = 0.5


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


async def ended(*tasks: asyncio.Task[Any]) -> None:
    """Cancels tasks until they have ended; what they ended with is nobody's business any more.

    Once is not enough: a TaskGroup that is failing at that moment, or an `asyncio.wait_for` whose answer has just come, takes the
    cancel for its own and lets the loop around it go on (CPython issues 116720 and 86296, both open in 3.11).
    """
    while waiting := {task for task in tasks if not task.done()}:
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=CANCEL_AGAIN_S)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # looked at, so that nobody is told of it as never retrieved
