"""How many requests a key may make in a minute of wire time. Trading and market data are counted apart, as at Alpaca."""

from typing import Final, NamedTuple

from libs.domain.times import SECOND

PER_MINUTE: Final = 200
_MINUTE: Final = 60 * SECOND


class Left(NamedTuple):
    """What a key has left in this minute."""

    limit: int
    remaining: int  # negative: too many already
    reset: int  # seconds since the epoch at which the next minute begins

    @property
    def headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(max(self.remaining, 0)),
            "X-RateLimit-Reset": str(self.reset),
        }


class Budget:
    """Requests of the present minute, by key and API."""

    def __init__(self) -> None:
        self._minute = 0
        self._used: dict[tuple[str, str], int] = {}

    def take(self, key: str, api: str, limit: int, now_ns: int) -> Left:
        """Counts a request. Those that are refused count too."""
        minute = now_ns // _MINUTE
        if minute != self._minute:
            self._minute, self._used = minute, {}
        used = self._used[key, api] = self._used.get((key, api), 0) + 1
        return Left(limit, limit - used, (minute + 1) * 60)
