"""Orders are written one in a turn of the event loop, so that a process stopped at any moment has at most one on its way.

uvloop gathers what is written in a turn and gives it to the kernel at the turn's end. Of ten orders written in one turn all ten would
wait there while the process sleeps, past their deadlines, and leave when it wakes up.
"""

import asyncio
from typing import Final
from weakref import WeakSet

_TAKEN: Final[WeakSet[asyncio.AbstractEventLoop]] = WeakSet()
"""Loops in whose present turn an order is written."""


async def turn_to_write() -> None:
    """Returns in a turn in which no other order is written, in the order of the calls. The caller writes at once, without waiting."""
    loop = asyncio.get_running_loop()
    while loop in _TAKEN:  # noqa: ASYNC110 - the turns themselves are counted
        await asyncio.sleep(0)
    _TAKEN.add(loop)
    loop.call_soon(_TAKEN.discard, loop)
