"""An answer that a process of its own works out while somebody waits for it."""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec
from aiohttp import web

from services.backtester import process
from services.backtester.job import Failed

LIMIT_S: Final = 1800.0
LOOK_S: Final = 0.5
"""Between two looks whether somebody still waits for the answer."""


async def answered(question: msgspec.Struct, command: Sequence[str], request: web.Request, stopping: asyncio.Event) -> bytes | Failed:
    """What the process `command` answers. It is given up when nobody waits for it any more.

    Raises:
        HTTPServiceUnavailable, HTTPGatewayTimeout: it was given up before its end.
    """
    asking = asyncio.ensure_future(process.asked(question, command))
    try:
        async with asyncio.timeout(LIMIT_S):
            while not asking.done():
                if stopping.is_set():
                    raise web.HTTPServiceUnavailable(text="the service leaves; ask its successor")
                if request.transport is None or request.transport.is_closing():
                    raise web.HTTPServiceUnavailable(text="nobody waits for the answer any more")
                await asyncio.wait({asking}, timeout=LOOK_S)
        return asking.result()
    except TimeoutError:
        raise web.HTTPGatewayTimeout(text=f"it was not played within {LIMIT_S:g} s") from None
    finally:
        asking.cancel()
        await asyncio.wait({asking})
