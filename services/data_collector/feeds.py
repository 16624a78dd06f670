"""The feed that the operator asked for."""

from typing import Final

from libs.common.settings import ConfigError
from libs.venues.closes.feed import ClosesFeed
from libs.venues.closes.table import ClosesNotFound
from libs.venues.feed import MarketDataFeed
from libs.venues.synthetic.feed import SyntheticFeed
from services.data_collector.settings import CollectorSettings

LIVE: Final = "venues"
"""The feed that is opened and not made, see venues.py."""


def chosen(settings: CollectorSettings) -> MarketDataFeed:
    """The feed of FEED, of those that play themselves.

    Raises:
        ConfigError: there is no such market, or its files are not there.
    """
    kind, _, name = settings.feed.partition(":")
    if kind == "synthetic":
        return SyntheticFeed(settings.seed, settings.stocks or None, settings.ticks_per_s or None)
    if kind == "closes":
        try:
            return ClosesFeed(settings.seed)
        except ClosesNotFound as error:
            raise ConfigError(f"FEED={settings.feed}: {error}") from error
    # Imported only here: reading Parquet costs memory that no other market needs.
    from libs.venues.replay.catalog import named
    from libs.venues.replay.dataset import DataNotFound
    from libs.venues.replay.feed import ReplayFeed

    try:
        return ReplayFeed(named(name), settings.recordings())
    except (ValueError, DataNotFound) as error:
        raise ConfigError(f"FEED={settings.feed}: {error}") from error
