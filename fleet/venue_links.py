"""How the connection of each account to its venue is, as trade_executor tells it on /info."""

import aiohttp
import msgspec


class VenueLink(msgspec.Struct, frozen=True, kw_only=True):
    """One account's connection."""

    venue: str
    up: bool
    detail: str = ""  # what is wrong
    latency_ms: float | None = None  # of the newest answered request
    budget: float | None = None  # share of the request budget that is left; None: the venue has none
    heard_s: float | None = None  # host seconds since the stream was last heard; None: there is none

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


async def asked(http: aiohttp.ClientSession, url: str) -> Venues:
    """From the trade_executor at that base URL; nothing when it does not say."""
    try:
        async with http.get(f"{url}/info") as answer:
            return of_info(await answer.read())
    except (TimeoutError, aiohttp.ClientError, msgspec.MsgspecError):
        return Venues()
