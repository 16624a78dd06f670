"""The feed of a recorded market."""

import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from itertools import dropwhile
from pathlib import Path

from libs.domain.actions import CorporateAction
from libs.domain.instruments import Instrument
from libs.domain.names import TIMEFRAMES
from libs.quant.bars import BarsOf
from libs.quant.fills import FillOn
from libs.venues.feed import FeedStep
from libs.venues.replay.actions import recorded_actions
from libs.venues.replay.dataset import DataNotFound, DataSet
from libs.venues.replay.events import LeftOut, events
from libs.venues.replay.files import files_of
from libs.venues.timeline import steps_of

log = logging.getLogger(__name__)


class ReplayFeed:
    """Plays a recorded market: the same rows at the same market times whenever it is asked."""

    def __init__(self, dataset: DataSet, market_data_dir: Path | None) -> None:
        """Looks for the files, and reads none yet but those of corporate actions.

        Raises:
            DataNotFound: one is missing or wrong, or `market_data_dir` is None, which stands for MARKET_DATA_DIR unset.
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
        self.live: bool = False
        symbols = [instrument.symbol for instrument in dataset.instruments]
        self.bars_of: Mapping[str, BarsOf] = {symbol: dataset.bars_of(symbol) for symbol in symbols}
        self.fill_on: Mapping[str, FillOn] = {symbol: dataset.fill_on(symbol) for symbol in symbols}
        self.actions: Sequence[CorporateAction] = (*dataset.actions, *recorded_actions(dataset, market_data_dir))
        self.start: int = dataset.start
        self.speed: float = dataset.speed
        self.left_out: LeftOut = Counter()
        """Rows of the newest timeline that say nothing to trade on, as far as it has been read."""

    def timeline(self, after: int) -> Iterator[FeedStep]:
        """The steps later than `after`, read as they are asked for. Resuming reads the files from their beginning.

        Raises:
            DataNotFound: a file went away, lacks a column, or is not what its name says.
        """
        left_out: LeftOut = Counter()
        self.left_out = left_out
        streams = [events(self._dataset, stream, self._root, left_out) for stream in range(len(self._dataset.recordings))]
        return dropwhile(lambda step: step.time <= after, steps_of(streams))

    async def steps(self, after: int) -> AsyncIterator[FeedStep]:
        """`timeline` for the collector."""
        for step in self.timeline(after):
            yield step
        for (symbol, reason), count in sorted(self.left_out.items()):
            log.info("%s: left out %d rows of %s that say nothing to trade on: %s", self.name, count, symbol, reason)
