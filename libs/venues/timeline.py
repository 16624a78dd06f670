"""Many streams of events made one timeline: the order in which events of one moment are seen is decided here only."""

from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from libs.domain.market import BadRow, MarketEvent
from libs.venues.feed import FeedStep

QUOTES: Final = 0
TRADES: Final = 1
BARS: Final = 2


class Placed(NamedTuple):
    """An event and its place. Those of one row keep the order in which the row gave them."""

    time: int  # when it becomes known, market time
    rank: int  # QUOTES, TRADES, BARS
    symbol: str
    stream: int
    row: int
    event: MarketEvent | BadRow


def steps_of(streams: Iterable[Iterable[Placed]]) -> Iterator[FeedStep]:
    """One step per distinct time of streams that are each ascending in time, as lazily as they are."""
    by_time, by_place = itemgetter(0), itemgetter(1, 2, 3, 4)
    for time, placed in groupby(merge(*streams, key=by_time), key=by_time):
        yield FeedStep(time, [event for *_, event in sorted(placed, key=by_place)])
