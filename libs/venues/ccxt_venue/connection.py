"""What the streams of an account and of a market have in common."""

import asyncio
from typing import Final

FLUENT: Final = ("binance", "binanceus")
"""Exchanges whose frames and codes we read ourselves, see binance.py."""

SUBSCRIBED_WITHIN_S: Final = 10.0
"""Waited for with `asyncio.wait_for`: before Python 3.11.3 `asyncio.timeout` around what cleans up after itself may raise
CancelledError instead of TimeoutError, and that would end the stream for good."""


class Lost(ConnectionError):
    """The stream is no more; what it would have said has to be read elsewhere."""


def lose(lost: "asyncio.Future[None]", reason: str) -> None:
    """Says that a connection is no more, if nobody has said so yet."""
    if not lost.done():
        lost.set_exception(Lost(reason))


async def until(lost: "asyncio.Future[None]") -> None:
    """Raises `Lost` when the connection is."""
    await lost


def cause_of(error: BaseException) -> BaseException:
    """The first error of a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
