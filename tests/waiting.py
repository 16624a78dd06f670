"""Waiting for what nothing announces, such as a lock that a server shows in a table."""

import asyncio
from collections.abc import Awaitable, Callable

SOON = 10.0


async def until(condition: Callable[[], bool]) -> None:
    """Looks again and again; TimeoutError when it does not come true."""
    async with asyncio.timeout(SOON):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.005)


async def until_so(condition: Callable[[], Awaitable[bool]]) -> None:
    """The same of what has to be asked for."""
    async with asyncio.timeout(SOON):
        while not await condition():  # noqa: ASYNC110 - nor here
            await asyncio.sleep(0.005)
