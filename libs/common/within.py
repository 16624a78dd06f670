"""Waiting for an answer, but not for ever, in loops that have to end when they are cancelled."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")
CLEANED_UP_S: Final = 1.0


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns. Where `asyncio.wait_for` may take a cancel that meets an answer for its own, and lets a loop around it go
    on for ever (CPython issue 86296), this one is cancelled.

    Raises:
        TimeoutError: it did not return in time, and is cancelled.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        await _give_up(task)
        raise
    if not done:
        await _give_up(task)
        raise TimeoutError(f"no answer within {seconds:g} s")
    return task.result()


async def _give_up(task: "asyncio.Future[Any]") -> None:
    """Lets it clean up, which takes a moment at the most."""
    task.cancel()
    await asyncio.wait({task}, timeout=CLEANED_UP_S)
    task.add_done_callback(lambda over: over.cancelled() or over.exception())  # looked at: nobody is told of it as never retrieved
