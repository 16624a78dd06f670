"""One exchange of ccxt, set up so that nothing is retried, redirected, throttled or rounded behind our back."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from libs.domain.configuration import VenueConfig
from libs.domain.credentials import FEES_IN_QUOTE
from libs.venues.broker import WrongKey
from libs.venues.ccxt_venue.connection import FLUENT
from libs.venues.ccxt_venue.wire import Wire
from libs.venues.endpoint import Endpoint

TIMEOUT_MS: Final = 5_000  # of connecting, of each read, and of a request in all
DEMO: Final = "demo"
"""An option of ours: a paper account is at the venue's demo and not at its testnet, where it has both."""
UNIFIED: Final = "unified"
"""The other one: streams are read as ccxt unifies them, also where we know the venue's own frames; for the day they change."""
_OURS: Final = (DEMO, UNIFIED, FEES_IN_QUOTE)

_PLAIN: Final[Mapping[str, object]] = {
    "defaultType": "spot",
    "fetchMargins": False,
    "fetchCurrencies": False,  # deposits and networks: nothing that an order needs
    "adjustForTimeDifference": False,  # measured by us, at times of our choosing
    "warnOnFetchOpenOrdersWithoutSymbol": False,
}


def make_exchange(venue: VenueConfig, endpoint: Endpoint) -> Any:
    """The exchange, which has no connection yet: see `open_exchange`.

    Raises:
        ValueError: ccxt has no such exchange.
        WrongKey: the venue has no place for a paper account, or the address is not one for an account of this mode.
    """
    from libs.venues.ccxt_venue.exact import exact_class  # here, because it imports ccxt

    config: dict[str, object] = {
        "apiKey": endpoint.key,
        "secret": endpoint.secret,
        "timeout": TIMEOUT_MS,
        "enableRateLimit": False,  # our own budget decides
        "options": {**_PLAIN, **{name: value for name, value in venue.options.items() if name not in _OURS}, "maxRetriesOnFailure": 0},
    }
    exchange = exact_class(venue.exchange)(config)
    _only_spot(exchange.options)
    if venue.exchange in FLUENT:  # what its stream and its history both number alike, and the history gives by time
        exchange.options["watchTradesForSymbols"] = {"name": "aggTrade"}
    if endpoint.url:
        _check_place(exchange, endpoint)
        exchange.urls["api"] = moved(exchange.urls["api"], endpoint.url)
    elif endpoint.mode == "paper":
        _to_paper(exchange, demo=bool(venue.options.get(DEMO)))
    return exchange


def is_fluent(venue: VenueConfig) -> bool:
    """Whether its frames are read as the venue sends them, see `binance`."""
    return venue.exchange in FLUENT and not venue.options.get(UNIFIED)


def open_exchange(exchange: Any, wire: Wire) -> None:
    """Lets it connect when it has to; needs a running loop. Whoever opens it closes it with `close_exchange`."""
    exchange.session, exchange.own_session = wire.open(), False
    exchange.ssl_context = False  # of a session of its own, which it never has; else it reads all certificates each time


async def close_exchange(exchange: Any, wire: Wire) -> None:
    """Gives up its streams and connections; a second time does nothing."""
    exchange.drop_streams()
    if wire.session is not None:
        await wire.session.close()
        wire.session = None
    await asyncio.gather(*exchange.closing, return_exceptions=True)
    await exchange.close()


def moved(urls: Any, base: str) -> Any:
    """Addresses of an exchange with everything before their path replaced by `base`, streams by its ws form.

    >>> moved({"public": "https://api.binance.com/api/v3", "ws": {"spot": "wss://stream.binance.com:9443/ws"}}, "http://localhost:9108/binance")
    {'public': 'http://localhost:9108/binance/api/v3', 'ws': {'spot': 'ws://localhost:9108/binance/ws'}}
    """
    if isinstance(urls, dict):
        return {name: moved(url, base) for name, url in urls.items()}
    if not isinstance(urls, str):
        return urls
    base = base.rstrip("/")
    if urls.startswith("ws"):
        base = "ws" + base.removeprefix("http")
    return base + urlsplit(urls).path


def _only_spot(options: dict[str, Any]) -> None:
    """Several exchanges load their futures and options markets too, a megabyte each, unless told which kinds are wanted."""
    kinds = options.get("fetchMarkets")
    if isinstance(kinds, dict) and "spot" in kinds.get("types", ()):
        options["fetchMarkets"] = {**kinds, "types": ["spot"]}


def _check_place(exchange: Any, endpoint: Endpoint) -> None:
    """An order meant for paper never reaches the venue's live address, and a live key never another's.

    Raises:
        WrongKey: it would.
    """
    own, given = {_domain(exchange.implode_hostname(url)) for url in _addresses(exchange.urls["api"])}, _domain(endpoint.url)
    if (given in own) == (endpoint.mode == "live"):
        return
    if endpoint.mode == "live":
        raise WrongKey(
            f"{endpoint.url} is no address of {exchange.id}, and a live key is sent nowhere else: leave `url` empty for "
            f"{exchange.id} itself, or run in paper mode"
        )
    raise WrongKey(f'{endpoint.url} is where {exchange.id} trades real money: leave `url` empty for its testnet, or set `url = "sim"`')


def _addresses(urls: Any) -> list[str]:
    if isinstance(urls, dict):
        return [address for url in urls.values() for address in _addresses(url)]
    return [urls] if isinstance(urls, str) else []


def _domain(url: str) -> str:
    """The last two labels: api1.binance.com and stream.binance.com are one owner's."""
    return ".".join((urlsplit(url).hostname or "").split(".")[-2:])


def _to_paper(exchange: Any, demo: bool) -> None:
    """ccxt refuses a second of the two, so that the choice has to be made here."""
    if demo and exchange.urls.get("demo"):
        exchange.enable_demo_trading(True)
    elif not demo and exchange.urls.get("test"):
        exchange.set_sandbox_mode(True)
    else:
        place = "demo" if demo else "testnet"
        raise WrongKey(
            f"{exchange.id} has no {place} that ccxt knows: a paper account there needs {'no ' if demo else ''}`demo = true` in "
            'its options, or `url = "sim"`'
        )
