"""Who trades each account, and how its connection to its venue is, as trade_executor and its standby tell it on /info."""

import asyncio
from collections.abc import Mapping

import aiohttp
import msgspec

from fleet.running import Running
from libs.common.settings import peer_url
from libs.domain.fleet import PORTS, STANDBYS

EXECUTORS = ("trade_executor", *STANDBYS)


class VenueLink(msgspec.Struct, frozen=True, kw_only=True):
    """One account's connection."""

    venue: str
    up: bool
    detail: str = ""  # what is wrong
    latency_ms: float | None = None  # of the newest answered request
    budget: float | None = None  # share of the request budget that is left; None: the venue has none
    heard_s: float | None = None  # host seconds since the stream was last heard; None: there is none
    held: bool = False  # whoever told this holds the account's lease
    epoch: int = 0  # of that lease
    by: str = ""  # the process that trades it: trade_executor or its standby; "": none that answers

    @property
    def state(self) -> str:
        """In a word or, when it is down, a sentence."""
        return "connected" if self.up else self.detail or "not connected yet"

    @property
    def took(self) -> str:
        """The newest request, for a person."""
        return "" if self.latency_ms is None else f"{self.latency_ms:.1f} ms" if self.latency_ms < 100 else f"{self.latency_ms:,.0f} ms"

    @property
    def left(self) -> str:
        """The budget, for a person."""
        return "" if self.budget is None else f"{self.budget:.0%}"


class _Config(msgspec.Struct, frozen=True):
    execution_mode: str = ""


class Venues(msgspec.Struct, frozen=True):
    """What trade_executor tells of where it trades."""

    venues: dict[str, VenueLink] = {}  # by account
    config: _Config = _Config()

    @property
    def mode(self) -> str:
        """paper_trading or live; "" where it does not say."""
        return self.config.execution_mode


def of_info(page: bytes) -> Venues:
    """From trade_executor's /info.

    Raises:
        msgspec.MsgspecError: it is something else.
    """
    return msgspec.json.decode(page, type=Venues)


def merged(told: Mapping[str, Venues]) -> Venues:
    """From what several processes tell, by their names: of each account the word of who holds its lease, else of the first."""
    found: dict[str, VenueLink] = {}
    for name, venues in told.items():
        for account, link in venues.venues.items():
            if link.held or account not in found:
                found[account] = msgspec.structs.replace(link, by=name if link.held else "")
    config = next((venues.config for venues in told.values() if venues.config.execution_mode), _Config())
    return Venues(venues=found, config=config)


async def asked(http: aiohttp.ClientSession, running: Running) -> Venues:
    """From whichever executors of a fleet answer; nothing when none does."""
    moved = running.ports["trade_executor"] - PORTS["trade_executor"]
    ports = {name: running.ports.get(name) or STANDBYS[name].port + moved for name in EXECUTORS}
    told = await asyncio.gather(*(_asked(http, peer_url(running.host, name, port)) for name, port in ports.items()))
    return merged(dict(zip(ports, told, strict=True)))


async def _asked(http: aiohttp.ClientSession, url: str) -> Venues:
    try:
        async with http.get(f"{url}/info") as answer:
            return of_info(await answer.read())
    except (TimeoutError, aiohttp.ClientError, msgspec.MsgspecError):
        return Venues()
