"""Candles. Intervals that the tape does not keep are put together from those that it does.

The feed's bars say neither how many trades were in them nor which side took: those figures are 0 here. The quote
volume is the volume at the middle of high, low and close.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from libs.domain.market import Bar
from libs.domain.names import TIMEFRAMES
from services.sim_venue.binance.errors import VenueError
from services.sim_venue.binance.figures import ZERO, ms, shown
from services.sim_venue.binance.order_answers import Json
from services.sim_venue.tape import Tape

_MINUTE: Final = TIMEFRAMES["1m"]
_DAY: Final = TIMEFRAMES["1d"]
_MONDAY: Final = 4 * _DAY  # the epoch began on a Thursday

LENGTHS: Final[dict[str, int]] = {
    "1s": TIMEFRAMES["1s"],
    "1m": _MINUTE,
    "3m": 3 * _MINUTE,
    "5m": 5 * _MINUTE,
    "15m": 15 * _MINUTE,
    "30m": 30 * _MINUTE,
    "1h": 60 * _MINUTE,
    "2h": 120 * _MINUTE,
    "4h": 240 * _MINUTE,
    "6h": 360 * _MINUTE,
    "8h": 480 * _MINUTE,
    "12h": 720 * _MINUTE,
    "1d": _DAY,
    "3d": 3 * _DAY,
    "1w": 7 * _DAY,
    "1M": 31 * _DAY,
}
"""Of each interval, in nanoseconds; of a month the longest."""

_FINER: Final = {"3m": "1m", "2h": "1h", "6h": "1h", "8h": "1h", "12h": "1h", "3d": "1d", "1w": "1d", "1M": "1d"}


def check(interval: str) -> str:
    """The interval; -1120 when there is none of that name."""
    if interval not in LENGTHS:
        raise VenueError(-1120, "Invalid interval.")
    return interval


def opens(interval: str, at: int) -> int:
    """When the candle that `at` lies in opens, ns: weeks begin on Monday, months on their first, all in UTC."""
    if interval == "1M":
        moment = datetime.fromtimestamp(at // 1_000_000_000, UTC)
        return int(datetime(moment.year, moment.month, 1, tzinfo=UTC).timestamp()) * 1_000_000_000
    offset = _MONDAY if interval == "1w" else 0
    length = LENGTHS[interval]
    return (at - offset) // length * length + offset


def closes(interval: str, start: int) -> int:
    """The end of a candle, ns: where the next one opens."""
    return opens(interval, start + LENGTHS[interval]) if interval == "1M" else start + LENGTHS[interval]


def candles(tape: Tape, symbol: str, interval: str, start: int, end: int, limit: int) -> list[Bar]:
    """The oldest `limit` of those that open in [start, end), the open one last."""
    finer = _FINER.get(interval)
    if finer is None:
        return list(tape.bars(symbol, interval, start, end, limit))
    first = start if opens(interval, start) == start else closes(interval, opens(interval, start))
    until = closes(interval, opens(interval, end - 1))
    parts = tape.bars(symbol, finer, first, until, limit * (LENGTHS[interval] // LENGTHS[finer]))
    return _grouped(parts, interval)[:limit]


def _grouped(parts: Sequence[Bar], interval: str) -> list[Bar]:
    groups: dict[int, list[Bar]] = {}
    for part in parts:
        groups.setdefault(opens(interval, part.start), []).append(part)
    return [
        Bar(
            venue=bars[0].venue,
            symbol=bars[0].symbol,
            seq=bars[0].seq,
            timeframe=interval,
            start=start,
            open=bars[0].open,
            high=max(bar.high for bar in bars),
            low=min(bar.low for bar in bars),
            close=bars[-1].close,
            volume=sum(bar.volume for bar in bars),
        )
        for start, bars in groups.items()
    ]


def newest(tape: Tape, symbol: str, interval: str, end: int, limit: int) -> list[Bar]:
    """The newest `limit` of those that open before `end`; looked for further back where the market was closed."""
    span = LENGTHS[interval] * limit
    for reach in (1, 8, 64):
        found = candles(tape, symbol, interval, max(0, opens(interval, end - 1) - span * reach), end, limit * (reach + 1))
        if len(found) >= limit:
            break
    return found[-limit:]


def quote_volume(bar: Bar) -> float:
    """Money traded, about."""
    return bar.volume * (bar.high + bar.low + bar.close) / 3


def row(bar: Bar, interval: str) -> list[object]:
    """As `/klines` has it."""
    return [
        ms(bar.start),
        shown(bar.open),
        shown(bar.high),
        shown(bar.low),
        shown(bar.close),
        shown(bar.volume),
        ms(closes(interval, bar.start)) - 1,
        shown(quote_volume(bar)),
        0,
        ZERO,
        ZERO,
        "0",
    ]


def event(bar: Bar, interval: str, symbol: str, now: int) -> Json:
    """As the stream `@kline_` has it; `x` says that the candle is closed."""
    end = closes(interval, bar.start)
    return {
        "e": "kline",
        "E": ms(now),
        "s": symbol,
        "k": {
            "t": ms(bar.start),
            "T": ms(end) - 1,
            "s": symbol,
            "i": interval,
            "f": -1,
            "L": -1,
            "o": shown(bar.open),
            "c": shown(bar.close),
            "h": shown(bar.high),
            "l": shown(bar.low),
            "v": shown(bar.volume),
            "n": 0,
            "x": end <= now,
            "q": shown(quote_volume(bar)),
            "V": ZERO,
            "Q": ZERO,
            "B": "0",
        },
    }
