"""How many requests a venue takes in a minute, and what of that is kept for cancels and for orders."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from math import ceil, inf
from typing import Final, Literal

from libs.common.clocks import HostClock
from libs.venues.broker import NotSent

Purpose = Literal["order", "read", "cancel"]

MINUTE_S: Final = 60.0


class Budget:
    """The requests of one account: a bucket of `per_minute` tokens, each of which comes back a minute after it was taken.

    A bucket that refills steadily would let twice as many through in the first minute after a rest, and venues count by
    the minute; this one never passes the limit in any minute, wherever the venue's own minutes begin. The last tokens are
    for cancels, as an order that is to be cancelled is money at risk; the ones before them for orders, as looking up again
    and again what became of one must not keep the next from being sent.
    """

    def __init__(
        self,
        per_minute: int,
        cancel_reserve: float = 0.2,
        order_reserve: float = 0.25,
        *,
        clock: HostClock,
        rest: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """
        Args:
            per_minute: tokens in all; where a venue weighs its requests, weight.
            cancel_reserve: share of them that only cancels can take, 0 to below 1.
            order_reserve: share of them that reads cannot take besides; one is always left to them.
            rest: waits so many host seconds.

        Raises:
            ValueError: nothing would be left for orders.
        """
        for_orders = per_minute - ceil(per_minute * cancel_reserve)
        if not 1 <= for_orders <= per_minute:
            raise ValueError(f"expected requests left for orders, got {per_minute} a minute of which {cancel_reserve} are for cancels")
        for_reads = max(1, for_orders - ceil(per_minute * order_reserve))
        self._room: dict[Purpose, int] = {"cancel": per_minute, "order": for_orders, "read": for_reads}
        self._per_minute = per_minute
        self._clock = clock
        self._rest = rest
        self._taken: deque[tuple[float, int]] = deque()  # when they come back, how many
        self._used = 0
        self._paused_until = -inf

    async def take(self, what: Purpose, deadline: float = inf, cost: int = 1) -> None:
        """Takes `cost` tokens, waiting until they are there.

        Args:
            deadline: host monotonic seconds.

        Raises:
            NotSent: they are not there before the deadline; known at once, without waiting for it.
        """
        while (wait := self.wait_s(what, cost)) > 0:
            if self._clock.monotonic() + wait > deadline:
                raise NotSent(f"the request budget of {self._per_minute} a minute has nothing for this {what} for another {wait:.1f} s")
            await self._rest(wait)
        self._taken.append((self._clock.monotonic() + MINUTE_S, cost))
        self._used += cost

    def wait_s(self, what: Purpose, cost: int = 1) -> float:
        """Host seconds until the tokens are there, 0 when they are; others may take them meanwhile.

        Raises:
            ValueError: so many never are.
        """
        now = self._clock.monotonic()
        self._refill(now)
        room = self._room[what]
        if cost > room:
            raise ValueError(f"expected a {what} that costs at most {room}, got {cost}")
        missing = self._used + cost - room
        ready = self._paused_until
        for back_at, count in self._taken:
            if missing <= 0:
                break
            missing -= count
            ready = max(ready, back_at)
        return max(0.0, ready - now)

    def pause(self, seconds: float) -> None:
        """The venue says to stay away for so long (Retry-After); cancels too, or it would only shut us out for longer."""
        self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)

    def left(self) -> float:
        """Share of the tokens that are there, 0 to 1; 0 while the venue wants us to stay away."""
        now = self._clock.monotonic()
        self._refill(now)
        return 0.0 if now < self._paused_until else 1.0 - self._used / self._per_minute

    def _refill(self, now: float) -> None:
        while self._taken and self._taken[0][0] <= now:
            self._used -= self._taken.popleft()[1]
