"""Request weights by key or address and order counts by account, in fixed windows of wire time; who goes on regardless is banned."""

from collections import defaultdict
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from services.sim_venue.binance.errors import VenueError

_NS: Final = 1_000_000_000
_REQUESTS: Final = 6000
_PATIENCE: Final = 10  # requests over the limit that are answered 429 before the asker is banned
_BAN_S: Final = 120
_MOST_KEPT: Final = 10_000


class Window(NamedTuple):
    """A limit: so many within so much time, windows beginning at whole multiples of it."""

    kind: Literal["REQUEST_WEIGHT", "ORDERS"]
    interval: Literal["SECOND", "MINUTE", "DAY"]
    length: int
    limit: int

    @property
    def seconds(self) -> int:
        return self.length * {"SECOND": 1, "MINUTE": 60, "DAY": 86_400}[self.interval]

    @property
    def header(self) -> str:
        """`X-MBX-USED-WEIGHT-1M`, `X-MBX-ORDER-COUNT-10S`."""
        what = "USED-WEIGHT" if self.kind == "REQUEST_WEIGHT" else "ORDER-COUNT"
        return f"X-MBX-{what}-{self.length}{self.interval[0]}"

    def described(self) -> dict[str, object]:
        """As exchangeInfo has it."""
        return {"rateLimitType": self.kind, "interval": self.interval, "intervalNum": self.length, "limit": self.limit}


@lru_cache(16)
def windows(requests_per_minute: int) -> tuple[Window, Window, Window]:
    """The limits in force. The knob `requests_per_minute` is kept at the venue's door, and raises these where it is above them."""
    return (
        Window("REQUEST_WEIGHT", "MINUTE", 1, max(_REQUESTS, requests_per_minute)),
        Window("ORDERS", "SECOND", 10, max(100, requests_per_minute)),
        Window("ORDERS", "DAY", 1, max(200_000, requests_per_minute * 1440)),
    )


class _Counts:
    """How much each of many has used of the present window."""

    def __init__(self) -> None:
        self._used: dict[str, tuple[int, int]] = {}

    def add(self, who: str, window: int, amount: int) -> int:
        began, used = self._used.get(who, (window, 0))
        used = amount + (used if began == window else 0)
        if len(self._used) > _MOST_KEPT:
            self._used = {name: kept for name, kept in self._used.items() if kept[0] == window}
        self._used[who] = window, used
        return used


class Meter:
    """Counts what is asked of the venue."""

    def __init__(self) -> None:
        self._counts: defaultdict[Window, _Counts] = defaultdict(_Counts)
        self._over = _Counts()
        self._banned_until: dict[str, int] = {}

    def _use(self, window: Window, who: str, wire_time_ns: int, amount: int) -> int:
        counts = self._counts[window]
        return counts.add(who, wire_time_ns // _NS // window.seconds, amount)

    def request(self, asker: str, weight: int, limits: tuple[Window, ...], wire_time_ns: int) -> int:
        """Counts a request, and gives the weight used in this minute, this one included.

        Raises:
            VenueError: 429 above the limit, 418 for those who go on all the same; both say when to come back.
        """
        window = limits[0]
        now_s = wire_time_ns // _NS
        until = self._banned_until.get(asker, 0)
        if until > now_s:
            text = f"Way too much request weight used; IP banned until {until * 1000}. Please use WebSocket Streams to avoid bans."
            raise VenueError(-1003, text, 418, retry_after_s=until - now_s)
        used = self._use(window, asker, wire_time_ns, weight)
        if used <= window.limit:
            return used
        rest = window.seconds - now_s % window.seconds
        over = self._over.add(asker, now_s // window.seconds, 1)
        if over > _PATIENCE:
            self._banned_until[asker] = now_s + _BAN_S
        text = f"Too much request weight used; current limit is {window.limit} request weight per 1 MINUTE."
        raise VenueError(-1003, text, 429, retry_after_s=rest)

    def orders(self, account: str, count: int, limits: tuple[Window, ...], wire_time_ns: int) -> list[tuple[Window, int]]:
        """Counts new orders of an account, and gives what it has used of each window; with a count of 0 it only looks.

        Raises:
            VenueError: -1015 above a limit.
        """
        used = [(window, self._use(window, account, wire_time_ns, count)) for window in limits if window.kind == "ORDERS"]
        for window, number in used:
            if count and number > window.limit:
                text = f"Too many new orders; current limit is {window.limit} orders per {window.length} {window.interval}."
                raise VenueError(-1015, text, 429, retry_after_s=window.seconds - wire_time_ns // _NS % window.seconds)
        return used

    def weight_used(self, asker: str, limits: tuple[Window, ...], wire_time_ns: int) -> int:
        """Of this minute so far."""
        return self._use(limits[0], asker, wire_time_ns, 0)
