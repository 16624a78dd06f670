"""Steps that lie far ahead of the market: a night that was skipped, or a time that is wrong.

One wrong time would carry the clock with it, and the clock never goes back: every later event would be too late. So such
a step waits for the next one of its venue, which is there as well when the market has gone on, and is not when the time
was wrong.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from libs.common.clocks import SECOND
from libs.domain.market import BadRow, Bar, MarketEvent, QuoteBar
from libs.venues.feed import FeedStep

FAR_S: Final = 5.0
"""Host seconds of market time by which a step may be ahead of where the market should be."""


class Leaps:
    """The steps of several venues, without those from a future that does not come. It is told host seconds."""

    def __init__(self, market_time: int, host: float, speed: float) -> None:
        """`market_time` is where the market is at `host`. With `speed` 0 time is moved by hand, and nothing is too far."""
        self._newest = market_time
        self._came = host
        self._speed = speed
        self._far = int(FAR_S * max(1.0, speed) * SECOND)
        self._held: dict[int, FeedStep] = {}

    def judge(self, venue: int, step: FeedStep, host: float) -> Sequence[FeedStep]:
        """What can be taken now, in order. Events of a step that turned out to be wrong are bad rows in the next one."""
        held = self._held.pop(venue, None)
        expected = self._newest + int((host - self._came) * self._speed * SECOND)
        if not self._speed or step.time - expected <= self._far:
            self._reach(step.time, host)
            return [FeedStep(step.time, [*_wrong(held, step.time), *step.events]) if held else step]
        if held is not None and abs(step.time - held.time) <= self._far:
            self._reach(max(step.time, held.time), host)
            return [held, step]
        self._held[venue] = step
        return [FeedStep(expected, list(_wrong(held, expected)))] if held else []

    def _reach(self, time: int, host: float) -> None:
        if time > self._newest:
            self._newest, self._came = time, host


def _wrong(held: FeedStep | None, now: int) -> Iterable[BadRow]:
    for event in held.events if held else ():
        at = _happened(event)
        reason = f"from_the_future: expected a time near {now}, got {at}, to which the venue has not gone on"
        yield BadRow(venue=event.venue, symbol=event.symbol, ts=now, reason=reason, raw=str(event))


def _happened(event: MarketEvent | BadRow) -> int:
    return event.start if isinstance(event, Bar | QuoteBar) else event.ts
