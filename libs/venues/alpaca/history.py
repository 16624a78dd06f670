"""Quotes and trades that have been, by Alpaca's REST API: what a stream has missed."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec

from libs.domain.times import SECOND, iso
from libs.venues.alpaca.reading import decoded
from libs.venues.alpaca.requests import PAGE_WAIT_S, Requests
from libs.venues.alpaca.ticks import KINDS, Kind, Tick, Told, tick_of
from libs.venues.alpaca.wire import Unreadable
from libs.venues.broker import OutcomeUnknown

WINDOW_NS: Final = 3600 * SECOND
"""What is held in memory at once: pages come symbol by symbol, and a timeline needs all symbols of a stretch."""
PAGE: Final = 10_000


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page of either kind."""

    quotes: dict[str, list[Told]] | None = None
    trades: dict[str, list[Told]] | None = None
    next_page_token: str | None = None


async def ticks_since(requests: Requests, data: str, feed: str, symbols: Sequence[str], start: int, now: int) -> AsyncIterator[list[Tick]]:
    """All ticks from `start` on, stretch by stretch; the last one has no end, so it holds what happened meanwhile too.

    Args:
        data: address of the market data.
        start, now: market time, ns.

    Raises:
        OutcomeUnknown: a page did not come whole and readable.
    """
    while True:
        end = start + WINDOW_NS
        last = end >= now
        found = [tick for kind in KINDS for tick in await _stretch(requests, data, feed, symbols, kind, start, None if last else end)]
        yield found
        if last:
            return
        start = end


async def _stretch(requests: Requests, data: str, feed: str, symbols: Sequence[str], kind: Kind, start: int, end: int | None) -> list[Tick]:
    params = {"symbols": ",".join(symbols), "start": iso(start), "limit": str(PAGE), "feed": feed, "sort": "asc"}
    if end is not None:
        params["end"] = iso(end)
    found: list[Tick] = []
    while True:
        page = decoded(await requests.read(f"{data}/{'quotes' if kind == 'q' else 'trades'}", params, PAGE_WAIT_S), Page)
        for symbol, told in ((page.quotes if kind == "q" else page.trades) or {}).items():
            try:
                found += [tick for each in told if (tick := tick_of(each, kind, symbol)) is not None]
            except Unreadable as error:
                raise OutcomeUnknown(f"the history of {symbol} cannot be read: {error}") from error
        if not page.next_page_token:
            return found
        if page.next_page_token == params.get("page_token"):
            raise OutcomeUnknown("the venue's history gives the same page again and again")
        params["page_token"] = page.next_page_token
