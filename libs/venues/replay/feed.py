"""The feed of a recorded market."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from itertools import dropwhile
from pathlib import Path

from libs.domain.instruments import Instrument
from libs.domain.names import TIMEFRAMES
from libs.venues.feed import FeedStep, FillOn
from libs.venues.replay.dataset import DataNotFound, DataSet
from libs.venues.replay.events import events
from libs.venues.replay.files import files_of
from libs.venues.timeline import steps_of


class ReplayFeed:
    """Plays a recorded market: the same rows at the same market times whenever it is asked."""

    def __init__(self, dataset: DataSet, market_data_dir: Path | None) -> None:
        """Looks for the files, and reads none yet.

        Raises:
            DataNotFound: one is missing, or `market_data_dir` is None, which stands for MARKET_DATA_DIR unset.
        """
        if market_data_dir is None:
            wanted = ", ".join(recording.path for recording in dataset.recordings)
            raise DataNotFound(f"MARKET_DATA_DIR is not set: set it to the folder that holds {wanted}")
        for recording in dataset.recordings:
            files_of(market_data_dir / recording.path)
        self._dataset = dataset
        self._root = market_data_dir
        bars = {recording.timeframe for recording in dataset.recordings if recording.timeframe}
        self.name: str = f"replay:{dataset.name}"
        self.seed: int = 0
        self.instruments: Sequence[Instrument] = dataset.instruments
        self.timeframes: tuple[str, ...] = tuple(sorted(bars, key=TIMEFRAMES.__getitem__)) or ("1s", "1m")
        self.recorded_bars: bool = bool(bars)
        self.fill_on: Mapping[str, FillOn] = {instrument.symbol: self._fill_on(instrument.symbol) for instrument in dataset.instruments}
        self.start: int = dataset.start
        self.speed: float = dataset.speed

    def timeline(self, after: int) -> Iterator[FeedStep]:
        """The steps later than `after`, read as they are asked for. Resuming reads the files from their beginning.

        Raises:
            DataNotFound: a file went away, lacks a column, or is not what its name says.
        """
        streams = [events(self._dataset, stream, self._root) for stream in range(len(self._dataset.recordings))]
        return dropwhile(lambda step: step.time <= after, steps_of(streams))

    async def steps(self, after: int) -> AsyncIterator[FeedStep]:
        """`timeline` for the collector."""
        for step in self.timeline(after):
            yield step

    def _fill_on(self, symbol: str) -> FillOn:
        layouts = {recording.layout for recording in self._dataset.recordings if recording.symbol in (symbol, None)}
        if "quotes" in layouts:
            return "quote"
        return "quote_bar" if "quote_bars" in layouts else "bar"
