"""When it is time to value the accounts again."""

import asyncio
from collections.abc import Callable
from typing import Final

from libs.common.clocks import HostClock
from libs.common.consumer import Bell
from libs.domain.market import Clock

MARK_EVERY_S: Final = 0.25
SILENCE_S: Final = 0.5


class Pace:
    """When to value: as the market moves, at most each quarter of a second; in lockstep once for each step that is heard."""

    def __init__(self, host: HostClock, bell: Bell, *, lockstep: bool) -> None:
        self._lockstep = lockstep
        self._host = host
        self._bell = bell
        self._step = 0
        self._over = asyncio.Event()
        self._last = float("-inf")

    def hear(self, clock: Clock) -> None:
        """A clock message. Of a lockstep step the second phase counts, when its fills are booked."""
        if not self._lockstep:
            self._bell.ring()
        elif clock.phase == "decide" and clock.step > self._step:
            self._step = clock.step
            self._bell.ring()

    def end(self) -> None:
        """It is over."""
        self._over.set()
        self._bell.ring()

    async def next(self, now: Callable[[], int], marked: int) -> bool:
        """Waits until the market has moved on from `marked`, by bell, or with a look each half second; False when it is over."""
        while not self._over.is_set():
            await self._bell.wait(SILENCE_S)
            await self._rest()
            if now() != marked and not self._over.is_set():
                self._last = self._host.monotonic()
                return True
        return False

    def rest_s(self) -> float:
        """Host seconds until the market may be valued again."""
        return 0.0 if self._lockstep else max(0.0, self._last + MARK_EVERY_S - self._host.monotonic())

    async def _rest(self) -> None:
        if not (seconds := self.rest_s()):
            return
        try:
            async with asyncio.timeout(seconds):
                await self._over.wait()
        except TimeoutError:
            pass
