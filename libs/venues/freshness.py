"""When a stream was last heard. A socket that is open and says nothing is a dead one: only what it says proves it alive."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from libs.common.clocks import HostClock

T = TypeVar("T")


class Mute(ConnectionError):
    """The stream has said nothing for too long: give the socket up and connect again."""


class Freshness:
    """Of one stream. Answers to pings do not count: a venue's front end answers them while nothing comes from behind it."""

    def __init__(self, clock: HostClock, mute_after_s: float) -> None:
        self._clock = clock
        self.mute_after_s = mute_after_s
        self._heard_at: float | None = None

    def heard(self) -> None:
        """It said something, or was connected just now."""
        self._heard_at = self._clock.monotonic()

    def silent_s(self) -> float | None:
        """Host seconds since it was last heard; None: never."""
        return None if self._heard_at is None else self._clock.monotonic() - self._heard_at

    def left_s(self) -> float:
        """Host seconds that it may still be silent."""
        silent = self.silent_s()
        return self.mute_after_s if silent is None else max(0.0, self.mute_after_s - silent)

    async def hear(self, receive: Callable[[], Awaitable[T]]) -> T:
        """What the stream says next.

        Raises:
            Mute: nothing, for as long as it may be silent.
        """
        try:
            async with asyncio.timeout(self.left_s()):
                said = await receive()
        except TimeoutError:
            raise Mute(f"nothing heard for {self.mute_after_s:g} s") from None
        self.heard()
        return said
