"""What a replay plays: files, what stands in them, and the stretch of time to take from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from libs.domain.instruments import Instrument
from libs.domain.names import TIMEFRAMES

Layout = Literal["quote_bars", "trade_bars", "quotes", "trades"]

COLUMNS: Mapping[Layout, tuple[str, ...]] = {
    "quote_bars": (
        *("bid_open", "bid_high", "bid_low", "bid_close", "bid_size"),
        *("ask_open", "ask_high", "ask_low", "ask_close", "ask_size"),
    ),
    "trade_bars": ("open", "high", "low", "close", "volume"),
    "quotes": ("bid", "ask", "bid_size", "ask_size"),
    "trades": ("price", "size"),
}
"""The number columns of each layout. Every file also has `ts`: UTC, of bars the start."""


class DataNotFound(Exception):
    """Recorded data is not where it was looked for, or is no such data. The message names the file and what to do."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One file (.parquet, .csv, .csv.gz), or a folder of them read in order of their names."""

    path: str  # below the data folder
    layout: Layout
    symbol: str | None = None  # None: a column `symbol` names it row by row
    timeframe: str | None = None  # of bars
    names: Mapping[str, str] = field(default_factory=dict)  # what the file calls our columns, where it differs

    def __post_init__(self) -> None:
        """ValueError: bars without a known timeframe, or ticks with one."""
        if self.layout.endswith("_bars") != (self.timeframe in TIMEFRAMES):
            raise ValueError(f"{self.path}: {self.layout} do not go with timeframe {self.timeframe!r}")

    @property
    def length(self) -> int:
        """Nanoseconds from a row's `ts` to the moment at which it is known."""
        return TIMEFRAMES[self.timeframe] if self.timeframe else 0


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A market to replay: of the recordings the rows with start <= ts < end, within the hours of their instrument."""

    name: str
    instruments: tuple[Instrument, ...]
    recordings: tuple[Recording, ...]
    start: int  # UTC nanoseconds
    end: int
    speed: float  # market seconds per host second

    def __post_init__(self) -> None:
        """ValueError: bars together with ticks (a recorded bar is never built again), symbols of several venues, or
        two recordings of one kind of one symbol (a folder makes them one)."""
        if len({recording.timeframe is None for recording in self.recordings}) != 1:
            raise ValueError(f"{self.name}: recordings are either all bars or all ticks")
        if len({instrument.venue for instrument in self.instruments}) != 1:
            raise ValueError(f"{self.name}: instruments are all of one venue")
        if len({(recording.symbol, recording.layout) for recording in self.recordings}) != len(self.recordings):
            raise ValueError(f"{self.name}: several recordings of one layout of one symbol; put the files into one folder")
