"""How far a live market has come: the market time up to which every venue that can be waited for has told all.

Pure: it is told host seconds and market times, and reads no clock.
"""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

from libs.common.clocks import SECOND

PATIENCE_S: Final = 0.25
"""Host seconds that an event may be under way: a venue that has said nothing has nothing from before that."""
HOLD_S: Final = 3.0
"""Host seconds for which one venue that is lost holds up the market of all: longer than most reconnections take, and shorter
than it takes until somebody is told that the market stands still."""
QUIET_S: Final = 90.0
"""Host seconds of silence after which an open venue that usually speaks is believed to have nothing to say. Longer than its
adapter takes to find out that its socket is mute."""
GAPS: Final = 20.0
"""A silence of so many usual gaps between two steps is suspicious: perhaps the socket is mute."""
_KNOWN_AFTER: Final = 20  # gaps, from which the usual one is known; the newest then has this share in it
_GRAIN_S: Final = 0.005  # how finely the past is remembered


class Estimate:
    """Market time by host time: the newest event's, and what has passed since."""

    def __init__(self, market_time: int, speed: float, lead_s: float) -> None:
        self._speed = speed
        self._lead_s = lead_s
        self._hosts = [float("-inf")]
        self._markets = [market_time]

    def hear(self, market_time: int, host: float) -> None:
        """An event of that time has come."""
        if market_time <= self._markets[-1]:
            return
        if host - self._hosts[-1] < _GRAIN_S:
            self._markets[-1] = market_time
            return
        self._hosts.append(host)
        self._markets.append(market_time)
        if len(self._hosts) > 1000:
            keep = max(0, bisect_right(self._hosts, host - PATIENCE_S) - 1)
            del self._hosts[:keep], self._markets[:keep]

    def at(self, host: float) -> int:
        """Where the market was at a host time, by what was known then."""
        n = max(0, bisect_right(self._hosts, host) - 1)
        if self._hosts[n] == float("-inf"):
            return self._markets[n]
        passed = min(max(0.0, host - self._hosts[n]), self._lead_s)
        return self._markets[n] + int(passed * self._speed * SECOND)


class _Venue:
    """What is known of one venue."""

    def __init__(self, market_time: int, host: float) -> None:
        self.newest = market_time  # everything of it up to here has come
        self.up = False
        self.open = True  # its hours, whatever it says
        self.lost = True  # it was away, and what it had to say meanwhile may still be on its way
        self.gap_s = 0.0  # the usual one between two steps
        self.gaps = 0
        self.spoke_at = self.changed_at = host
        self.holds_since: float | None = host

    def silent_s(self, host: float) -> float:
        return host - max(self.spoke_at, self.changed_at)

    def suspicious(self, host: float) -> bool:
        """Connected and open, and quieter than it ever is."""
        return self.open and self.gaps >= _KNOWN_AFTER and max(PATIENCE_S, GAPS * self.gap_s) < self.silent_s(host) < QUIET_S

    def look(self, host: float, caught_up_from: int) -> None:
        """Whether it holds up the market now."""
        if self.lost and self.up:
            caught_up = self.spoke_at > self.changed_at and self.newest >= caught_up_from
            self.lost = not caught_up and self.silent_s(host) <= PATIENCE_S
        if not self.lost and not self.suspicious(host):
            self.holds_since = None
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

    def __init__(self, venues: Iterable[str], market_time: int, estimate: Estimate, host: float) -> None:
        """`market_time` is from where the session goes on, ns; all have told all up to there."""
        self.market_time = market_time
        self.behind: frozenset[str] = frozenset()  # venues that are not waited for any more
        self._estimate = estimate
        self._venues = {name: _Venue(market_time, host) for name in venues}

    def hear(self, venue: str, time: int, host: float) -> None:
        """An event of a venue has come."""
        seen = self._venues[venue]
        self._estimate.hear(time, host)
        if seen.suspicious(host):
            seen.lost = True  # a socket that was held up: the rest comes now
        elif not seen.lost:
            seen.gaps = min(seen.gaps + 1, _KNOWN_AFTER)
            seen.gap_s += (min(host - seen.spoke_at, QUIET_S) - seen.gap_s) / seen.gaps
        seen.newest = max(seen.newest, time)
        seen.spoke_at = host

    def link(self, venue: str, up: bool, host: float) -> None:
        """How the connection of a venue is."""
        seen = self._venues[venue]
        if up != seen.up:
            seen.up, seen.changed_at, seen.lost = up, host, True

    def hours(self, venue: str, is_open: bool) -> None:
        """Whether any of its markets is open, by the calendar: the silence of a closed one is nothing to wonder at."""
        self._venues[venue].open = is_open

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
