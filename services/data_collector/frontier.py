"""How far a live market has come: the market time up to which every venue that can be waited for has told all.

Pure: it is told host seconds and market times, and reads no clock.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Mapping
from math import inf
from operator import attrgetter
from statistics import median
from typing import Final, NamedTuple

from libs.common.clocks import SECOND

PATIENCE_S: Final = 0.25
"""Host seconds that an event may be under way: a venue that has said nothing has nothing from before that."""
BACK_S: Final = 1.0
"""Host seconds of silence after which a venue that is connected again is believed to have missed nothing."""
HOLD_S: Final = 3.0
"""Host seconds for which one venue that is lost holds up the market of all: longer than most reconnections take, and shorter
than it takes until somebody is told that the market stands still."""
QUIET_S: Final = 90.0
"""Host seconds of silence after which an open venue that usually speaks is believed to have nothing to say. Longer than its
adapter takes to find out that its socket is mute."""
GAPS: Final = 20.0
"""A silence of so many usual gaps between two steps is suspicious: perhaps the socket is mute."""
_KNOWN_AFTER: Final = 10  # gaps, of which the middle one is the usual one: a stall of ours is no habit of the venue's
_BREATH_S: Final = 0.001  # what is less apart was said at once
_host: Final = attrgetter("host")
_GRAIN_S: Final = 0.005  # how finely the past is remembered


class _Known(NamedTuple):
    """Where the market was at a host time, and for how many host seconds it may go on from there unheard."""

    host: float
    market: int
    goes_on_s: float


class Estimate:
    """Market time by host time: the newest event's, and what has passed since."""

    def __init__(self, market_time: int, speed: float, lead_s: float) -> None:
        self._speed = speed
        self._lead_s = lead_s
        self._known = [_Known(-inf, market_time, 0.0)]

    def hear(self, market_time: int, host: float) -> None:
        """An event of that time has come."""
        newest = self._known[-1]
        if market_time < newest.market or (market_time == newest.market and newest.goes_on_s):
            return
        host = max(host, newest.host)
        if host - newest.host < _GRAIN_S and newest.goes_on_s:
            then = market_time - int((host - newest.host) * self._speed * SECOND)  # where it was when that entry was made
            self._known[-1] = newest._replace(market=max(newest.market, then))
            return
        self._known.append(_Known(host, market_time, self._lead_s))
        if len(self._known) > 1000:
            del self._known[: max(0, self._at(host - PATIENCE_S))]

    def stop(self, host: float) -> None:
        """Nobody says any more how time passes: it stands still until the next event, unless it is the world's."""
        if self._lead_s < inf:
            self._known.append(_Known(host, self.at(host), 0.0))

    def at(self, host: float) -> int:
        """Where the market was at a host time, by what was known then."""
        known = self._known[self._at(host)]
        if not known.goes_on_s:
            return known.market
        return known.market + int(min(max(0.0, host - known.host), known.goes_on_s) * self._speed * SECOND)

    def _at(self, host: float) -> int:
        return max(0, bisect_right(self._known, host, key=_host) - 1)


class _Venue:
    """What is known of one venue."""

    def __init__(self, told_to: int, market_time: int, host: float) -> None:
        self.newest = told_to  # everything of it up to here has come
        self.owes = told_to < market_time  # it was left behind when the session was interrupted: the market is ahead of its bars
        self.up = False
        self.open = True  # its hours, whatever it says
        self.lost = True  # it was away, and what it had to say meanwhile may still be on its way
        self.gaps: deque[float] = deque(maxlen=31)  # between what it said lately
        self.spoke_at = self.changed_at = host
        self.holds_since: float | None = host

    def silent_s(self, host: float) -> float:
        return host - max(self.spoke_at, self.changed_at)

    def suspicious(self, host: float) -> bool:
        """Connected and open, and quieter than it ever is."""
        silent = self.silent_s(host)
        if not self.open or len(self.gaps) < _KNOWN_AFTER or not PATIENCE_S < silent < QUIET_S:
            return False
        return silent > GAPS * median(self.gaps)

    def look(self, host: float, caught_up_from: int) -> None:
        """Whether it holds up the market now."""
        if self.lost and self.up:
            caught_up = self.spoke_at > self.changed_at and self.newest >= caught_up_from
            self.lost = not caught_up and self.silent_s(host) <= BACK_S
        if not self.lost and not self.suspicious(host):
            self.holds_since, self.owes = None, False
        elif self.holds_since is None:
            self.holds_since = host

    def left_behind(self, host: float) -> bool:
        """It has held up the others for long enough."""
        return self.holds_since is not None and host - self.holds_since > HOLD_S


class Frontier:
    """The market time of several venues together.

    A venue that speaks, or is known to have nothing to say, lets the time go on. One that is lost, or suspiciously silent,
    or still tells what it had missed, holds it up for `HOLD_S` and is then left behind: the others go on, its bars stay
    open until it is back.
    """

    def __init__(self, told_to: Mapping[str, int], market_time: int, estimate: Estimate, host: float) -> None:
        """
        Args:
            told_to: by venue, the market time up to which it has told all, ns.
            market_time: from where the session goes on.
        """
        self.market_time = market_time
        self.behind: frozenset[str] = frozenset()  # venues that are not waited for any more
        self._estimate = estimate
        self._venues = {name: _Venue(told, market_time, host) for name, told in told_to.items()}

    def hear(self, venue: str, time: int, host: float) -> None:
        """An event of a venue has come."""
        seen = self._venues[venue]
        self._estimate.hear(time, host)
        if seen.suspicious(host):
            seen.lost = True  # a socket that was held up: the rest comes now
        elif not seen.lost and (gap := host - seen.spoke_at) > _BREATH_S:
            seen.gaps.append(gap)
        seen.newest = max(seen.newest, time)
        seen.spoke_at = host

    def link(self, venue: str, up: bool, host: float) -> None:
        """How the connection of a venue is."""
        seen = self._venues[venue]
        if up != seen.up:
            seen.up, seen.changed_at, seen.lost = up, host, True
            if not self.alive:
                self._estimate.stop(host)

    def hours(self, venue: str, is_open: bool) -> None:
        """Whether any of its markets is open, by the calendar: the silence of a closed one is nothing to wonder at."""
        self._venues[venue].open = is_open

    @property
    def incomplete(self) -> frozenset[str]:
        """Venues that may still tell of what was before the market time: those left behind, now or in an earlier life of the session."""
        return self.behind | {name for name, seen in self._venues.items() if seen.owes}

    @property
    def alive(self) -> bool:
        """Whether any venue is connected."""
        return any(seen.up for seen in self._venues.values())

    def advance(self, host: float) -> int:
        """The market time now. It never goes back."""
        arrived = self._estimate.at(host - PATIENCE_S)  # what happened until then has come
        told = []
        behind = set()
        for name, seen in self._venues.items():
            seen.look(host, arrived)
            if seen.left_behind(host):
                behind.add(name)
            else:
                told.append(seen.newest if seen.holds_since is not None else max(seen.newest, arrived))
        self.behind = frozenset(behind)
        if told and self.alive:
            self.market_time = max(self.market_time, min(told))
        return self.market_time
