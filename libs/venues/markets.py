"""The recorded and invented markets by name: closes, synthetic, replay:<name>."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from libs.venues.closes.feed import ClosesFeed
from libs.venues.closes.table import ClosesNotFound
from libs.venues.feed import FeedStep, MarketDataFeed
from libs.venues.synthetic.feed import SyntheticFeed


class MarketNotFound(Exception):
    """There is no market of that name, or its files are not there; the message says what was looked for."""


class Timeline(MarketDataFeed, Protocol):
    """A feed that is not live: its steps can be had at once, from anywhere, as often as they are wanted."""

    def timeline(self, after: int) -> Iterator[FeedStep]:
        """The steps later than `after`, as `steps` gives them."""
        ...


def named(market: str, seed: int, recordings: Path | None) -> Timeline:
    """The market of a name; `recordings` is the folder of recorded markets, None where there is none.

    Raises:
        MarketNotFound.
    """
    kind, _, name = market.partition(":")
    if market == "synthetic":
        return SyntheticFeed(seed)
    if market == "closes":
        try:
            return ClosesFeed(seed)
        except ClosesNotFound as error:
            raise MarketNotFound(str(error)) from error
    if kind != "replay":
        raise MarketNotFound(f"expected closes, synthetic or replay:<name>, got {market!r}")
    # Imported only here: reading Parquet costs memory that no other market needs.
    from libs.venues.replay.catalog import named as dataset
    from libs.venues.replay.dataset import DataNotFound
    from libs.venues.replay.feed import ReplayFeed

    try:
        return ReplayFeed(dataset(name), recordings)
    except (ValueError, DataNotFound) as error:
        raise MarketNotFound(str(error)) from error
