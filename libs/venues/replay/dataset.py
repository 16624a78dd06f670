"""What a replay plays: files, what stands in them, and the stretch of time to take from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from libs.domain.actions import CorporateAction
from libs.domain.instruments import Instrument
from libs.domain.names import TIMEFRAMES
from libs.quant.bars import BarsOf
from libs.quant.fills import FillOn

Layout = Literal["quote_bars", "trade_bars", "quotes", "best_updates", "trades"]
"""What a row is. In `best_updates` it is a new best bid or a new best ask; 0 stands on the side that stays as it was."""

Stamp = Literal["start", "end", "date"]
"""Which moment a row's time is: of a tick its own, of a bar its start or its end; or the date of the session a bar covers."""

COLUMNS: Mapping[Layout, tuple[str, ...]] = {
    "quote_bars": (
        *("bid_open", "bid_high", "bid_low", "bid_close", "bid_size"),
        *("ask_open", "ask_high", "ask_low", "ask_close", "ask_size"),
    ),
    "trade_bars": ("open", "high", "low", "close", "volume"),
    "quotes": ("bid", "ask", "bid_size", "ask_size"),
    "best_updates": ("bid", "ask", "bid_size", "ask_size"),
    "trades": ("price", "size"),
}
"""The number columns of each layout. Every file also has `ts`: UTC, of bars the start unless the recording says otherwise."""


class DataNotFound(Exception):
    """Recorded data is not where it was looked for, or is no such data. The message names the file and what to do."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One file (.parquet, .csv, .csv.gz), a folder of them, or those that a name with `*` fits, read in order of their names."""

    path: str  # below the data folder
    layout: Layout
    symbol: str | None = None  # None: a column `symbol` names it row by row
    symbols: Mapping[str, str] = field(default_factory=dict)  # that column to ours, passing over the rest; empty: as it is
    timeframe: str | None = None  # of bars
    names: Mapping[str, str] = field(default_factory=dict)  # what the file calls our columns, where it differs
    stamp: Stamp = "start"
    shown: float | None = None  # size on either side of every quote, for files that tell none
    suspicious: bool = False  # the file has a column `suspicious`: rows in which it is true are left out

    def __post_init__(self) -> None:
        """ValueError: bars without a known timeframe, ticks with one or with another stamp, or two answers to one question."""
        bars = self.layout.endswith("_bars")
        if bars != (self.timeframe in TIMEFRAMES):
            raise ValueError(f"{self.path}: {self.layout} do not go with timeframe {self.timeframe!r}")
        if not bars and self.stamp != "start":
            raise ValueError(f"{self.path}: {self.layout} do not go with stamp {self.stamp!r}")
        if self.symbol is not None and self.symbols:
            raise ValueError(f"{self.path}: either one symbol or a column of them")

    @property
    def length(self) -> int:
        """Nanoseconds from the start of a row to the moment at which it is known."""
        return TIMEFRAMES[self.timeframe] if self.timeframe else 0

    @property
    def columns(self) -> tuple[str, ...]:
        """The number columns to read."""
        every = COLUMNS[self.layout]
        return every if self.shown is None else tuple(name for name in every if not name.endswith("_size"))

    def tells_of(self, symbol: str) -> bool:
        """Whether rows of `symbol` may stand in it."""
        if self.symbol is not None:
            return symbol == self.symbol
        return not self.symbols or symbol in self.symbols.values()


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A market to replay: of the recordings the rows with start <= ts < end, within the hours of their instrument."""

    name: str
    instruments: tuple[Instrument, ...]
    recordings: tuple[Recording, ...]
    start: int  # UTC nanoseconds
    end: int
    speed: float  # market seconds per host second
    actions: tuple[CorporateAction, ...] = ()  # besides those in the files

    def __post_init__(self) -> None:
        """ValueError: bars together with ticks (a recorded bar is never built again), bars of several lengths, symbols of
        several venues, or two recordings of one kind of one symbol (a folder makes them one)."""
        if len({recording.timeframe for recording in self.recordings}) != 1:
            raise ValueError(f"{self.name}: recordings are either all bars of one timeframe or all ticks")
        if len({instrument.venue for instrument in self.instruments}) != 1:
            raise ValueError(f"{self.name}: instruments are all of one venue")
        if len({(recording.symbol, recording.layout) for recording in self.recordings}) != len(self.recordings):
            raise ValueError(f"{self.name}: several recordings of one layout of one symbol; put the files into one folder")

    def fill_on(self, symbol: str) -> FillOn:
        """What simulated fills of a symbol wait for: quotes where there are any."""
        layouts = self._layouts(symbol)
        if layouts & {"quotes", "best_updates"}:
            return "quote"
        return "quote_bar" if "quote_bars" in layouts else "bar"

    def bars_of(self, symbol: str) -> BarsOf:
        """What the bars of a symbol are made of: trades where there are any."""
        return "trade" if self._layouts(symbol) & {"trades", "trade_bars"} else "quote"

    def _layouts(self, symbol: str) -> frozenset[Layout]:
        return frozenset(recording.layout for recording in self.recordings if recording.tells_of(symbol))
