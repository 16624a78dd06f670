"""Ticks of one symbol folded into bars of several timeframes."""

from collections.abc import Sequence
from typing import Final, Literal

from libs.domain.market import Bar, Quote, TradeTick
from libs.domain.names import TIMEFRAMES

GRACE_NS: Final = 250_000_000
"""How long after its end a bar waits for trades that are still on their way, in market time."""

BarsOf = Literal["trade", "quote"]
"""What the bars of a symbol are made of: its trades, or the middle of bid and ask where nobody tells of trades."""

_HIGH, _LOW, _CLOSE, _VOLUME = 1, 2, 3, 4


class _Timeframe:
    """The open bars of one length: by start, each [open, high, low, close, volume]."""

    __slots__ = ("closed_to", "length", "name", "open")

    def __init__(self, name: str) -> None:
        self.name = name
        self.length = TIMEFRAMES[name]
        self.open: dict[int, list[float]] = {}
        self.closed_to = 0  # bars that start before this are closed, whether or not a tick made them


class BarBuilder:
    """Builds the bars of one symbol. It has no clock: `close` is told the market time.

    Ticks count in the order in which they are added: the first makes the open, the last the close. Every timeframe is
    built from the ticks themselves. A stretch without a tick has no bar. Bars are numbered from 1 over all timeframes.
    A quote counts as a trade of size 0 at (bid + ask) / 2.
    """

    def __init__(self, venue: str, symbol: str, timeframes: Sequence[str], grace_ns: int = GRACE_NS, of: BarsOf = "trade") -> None:
        """`timeframes` are keys of TIMEFRAMES; KeyError for another."""
        self.made_of: Final[type[TradeTick] | type[Quote]] = TradeTick if of == "trade" else Quote
        self._venue = venue
        self._symbol = symbol
        self._timeframes = sorted((_Timeframe(name) for name in timeframes), key=lambda timeframe: timeframe.length)
        self._grace = grace_ns
        self._seq = 0

    def add(self, tick: TradeTick | Quote) -> bool:
        """Count a tick in its bars. False when it came too late for one of them: a closed bar is never rewritten.

        A tick too late for its second still counts in the minute around it, while that is open. One of the kind that the
        bars are not made of changes nothing.
        """
        if type(tick) is not self.made_of:
            return True
        ts = tick.ts
        price, size = (tick.price, tick.size) if isinstance(tick, TradeTick) else ((tick.bid + tick.ask) / 2, 0.0)
        in_time = True
        for timeframe in self._timeframes:
            start = ts - ts % timeframe.length
            if start < timeframe.closed_to:
                in_time = False
            elif (bar := timeframe.open.get(start)) is None:
                timeframe.open[start] = [price, price, price, price, size]
            else:
                if price > bar[_HIGH]:
                    bar[_HIGH] = price
                elif price < bar[_LOW]:
                    bar[_LOW] = price
                bar[_CLOSE] = price
                bar[_VOLUME] += size
        return in_time

    def close(self, now_ns: int) -> list[Bar]:
        """Every bar that is complete at market time `now_ns`, by end, the finest first where ends are equal."""
        done: list[tuple[int, int, str, int, list[float]]] = []
        for timeframe in self._timeframes:
            length = timeframe.length
            timeframe.closed_to = max(timeframe.closed_to, (now_ns - self._grace) // length * length)
            ready = [start for start in timeframe.open if start < timeframe.closed_to]
            done += [(start + length, length, timeframe.name, start, timeframe.open.pop(start)) for start in ready]
        done.sort()
        return [self._bar(name, start, values) for _, _, name, start, values in done]

    def next_due(self) -> int | None:
        """Market time at which `close` will give its next bar; None while no bar is open."""
        due = [min(timeframe.open) + timeframe.length for timeframe in self._timeframes if timeframe.open]
        return min(due) + self._grace if due else None

    def _bar(self, timeframe: str, start: int, values: list[float]) -> Bar:
        self._seq += 1
        opened, high, low, close, volume = values
        return Bar(
            venue=self._venue,
            symbol=self._symbol,
            seq=self._seq,
            timeframe=timeframe,
            start=start,
            open=opened,
            high=high,
            low=low,
            close=close,
            volume=volume,
        )
