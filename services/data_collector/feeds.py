"""The feed that the operator asked for."""

from typing import Final

from libs.common.settings import ConfigError
from libs.venues.feed import MarketDataFeed
from libs.venues.markets import MarketNotFound, named
from libs.venues.synthetic.feed import SyntheticFeed
from services.data_collector.settings import CollectorSettings

LIVE: Final = "venues"
"""The feed that is opened and not made, see venues.py."""


def chosen(settings: CollectorSettings) -> MarketDataFeed:
    """The feed of FEED, of those that play themselves.

    Raises:
        ConfigError: there is no such market, or its files are not there.
    """
    if settings.feed == "synthetic":
        return SyntheticFeed(settings.seed, settings.stocks or None, settings.ticks_per_s or None)
    try:
        return named(settings.feed, settings.seed, settings.recordings())
    except MarketNotFound as error:
        raise ConfigError(f"FEED={settings.feed}: {error}") from error
