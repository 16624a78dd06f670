"""The two clocks. Host time is this machine's; market time comes from the feed. Both are passed in, never fetched."""

import time
from typing import Final, Protocol

SECOND: Final = 1_000_000_000


class HostClock(Protocol):
    """Time of this machine."""

    def now_ns(self) -> int:
        """UTC, nanoseconds since the epoch: for logs, records and heartbeats."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back: for durations, leases and deadlines."""
        ...


class SystemClock:
    """The real host clock."""

    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return time.monotonic()


class MarketClock:
    """Market time between clock messages: the newest message plus host time since then times speed.

    Runs ahead of the newest message by at most two host seconds' worth, never goes back, and adds nothing in
    lockstep (speed 0).
    """

    STALE_AFTER_S: Final = 3.0
    LEAD_S: Final = 2.0

    def __init__(self, host: HostClock) -> None:
        self._host = host
        self._base = 0
        self._speed = 0.0
        self._heard_at = float("-inf")
        self._latest = 0

    def hear(self, market_time: int, speed: float) -> None:
        """Take in a clock message or what the record says; an older one changes nothing but the time of hearing."""
        if market_time >= self._base:
            self._base, self._speed = market_time, speed
        self._heard_at = self._host.monotonic()

    def restart(self) -> None:
        """Forget everything: another session's time has nothing to do with this one's."""
        self._base = self._latest = 0
        self._heard_at = float("-inf")

    def now(self) -> int:
        """Market time, nanoseconds; 0 before the first message."""
        if self._base:
            elapsed = min(self._host.monotonic() - self._heard_at, self.LEAD_S)
            self._latest = max(self._latest, self._base + int(elapsed * self._speed * SECOND))
        return self._latest

    def supposed(self) -> int:
        """Market time if it has gone on since it was heard last, however long ago, ns: for what must not wait until it is heard."""
        elapsed = self.silent_for() if self._base else 0.0
        return max(self.now(), self._base + int(elapsed * self._speed * SECOND))

    def heard(self) -> int:
        """The newest time that was told, ns: the market has come so far for certain, `now` is where it should be."""
        return self._base

    def silent_for(self) -> float:
        """Host seconds since a clock was last heard."""
        return self._host.monotonic() - self._heard_at

    def stale(self) -> bool:
        """No clock for three host seconds: nothing new may be ordered."""
        return self.silent_for() > self.STALE_AFTER_S
