"""How far each venue of a live session had told before the collector stopped, read from the record."""

from collections.abc import Mapping
from typing import Final

from libs.common.clocks import SECOND
from libs.common.database import Database
from libs.store import market
from libs.store.sessions import Session
from libs.venues.merged import VenuesFeed

FURTHEST_S: Final = 24 * 3600
"""Market seconds that are asked for at most. A venue that was away for longer has a gap in the record."""


async def complete_to(database: Database, session: Session, feed: VenuesFeed) -> Mapping[str, int]:
    """By symbol, the market time up to which its bars are stored for certain.

    All symbols of a venue have come as far as the newest tick of any that it gave a time itself: one that was left behind,
    when the collector stopped, has come less far than the session.
    """
    since = session.market_time - FURTHEST_S * SECOND
    found: dict[str, int] = {}
    for venue in feed.feeds.values():
        symbols = [instrument.symbol for instrument in venue.instruments]
        newest = await market.newest_ticks(database, session.venue, symbols, since, quotes=venue.times_quotes)
        told = min(session.market_time, max(newest.values(), default=max(since, session.start_time)))
        found.update(dict.fromkeys(symbols, told))
    return found
