"""Looks at trade_executor, and at the one that stands in reserve: which accounts are attended to."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import aiohttp
import msgspec

from libs.domain.configuration import OnDisconnect

ANSWER_WITHIN_S: Final = 2.0


class Guarded(msgspec.Struct, frozen=True, kw_only=True):
    """An account that somebody may have left with open orders."""

    venue: str
    on_disconnect: OnDisconnect = "keep"


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """What an executor says of one account, as far as it concerns us."""

    venue: str
    on_disconnect: OnDisconnect = "keep"
    held: bool = False
    up: bool = False

    @property
    def attended(self) -> bool:
        """Its orders are in the hands of one who may act on them; and who reaches them, where they must not rest unreached."""
        return self.held and (self.up or self.on_disconnect == "keep")


class _Info(msgspec.Struct, frozen=True):
    venues: dict[str, _Told] = {}


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One look at all executors."""

    answered: bool  # one of them, at least
    accounts: Mapping[str, Guarded]  # of the session that they trade; empty when none says
    attended: frozenset[str]


async def look(http: aiohttp.ClientSession, urls: Sequence[str]) -> Look:
    """Asks each; takes no longer than `ANSWER_WITHIN_S`."""
    told = [info for info in await asyncio.gather(*(_asked(http, url) for url in urls)) if info is not None]
    accounts = {name: Guarded(venue=a.venue, on_disconnect=a.on_disconnect) for info in told for name, a in info.venues.items()}
    attended = frozenset(name for info in told for name, a in info.venues.items() if a.attended)
    return Look(answered=bool(told), accounts=accounts, attended=attended)


async def _asked(http: aiohttp.ClientSession, url: str) -> _Info | None:
    """What one says; None: it does not answer, or something else does."""
    try:
        async with http.get(f"{url}/info", timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)) as answer:
            return msgspec.json.decode(await answer.read(), type=_Info) if answer.status == 200 else None
    except (TimeoutError, aiohttp.ClientError, msgspec.MsgspecError):
        return None
