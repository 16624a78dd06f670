"""One exchange of ccxt, set up so that nothing is retried, redirected, throttled or rounded behind our back."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from libs.domain.configuration import VenueConfig
from libs.venues.broker import WrongKey
from libs.venues.ccxt_venue.wire import Wire
from libs.venues.endpoint import Endpoint

if TYPE_CHECKING:
    from libs.venues.ccxt_venue.exact import Hooks

TIMEOUT_MS: Final = 5_000  # of connecting, of each read, and of a request in all
DEMO: Final = "demo"
"""The one option that is ours: a paper account is at the venue's demo and not at its testnet, where it has both."""

_PLAIN: Final[Mapping[str, object]] = {
    "defaultType": "spot",
    "fetchCurrencies": False,  # deposits and networks: nothing that an order needs
    "adjustForTimeDifference": False,  # measured by us, at times of our choosing
    "warnOnFetchOpenOrdersWithoutSymbol": False,
}


def open_exchange(venue: VenueConfig, endpoint: Endpoint, wire: Wire, hooks: "type[Hooks] | Hooks | None" = None) -> Any:
    """The exchange, not yet connected; needs a running loop. Whoever opens it closes it: `close_exchange`.

    Raises:
        ValueError: ccxt has no such exchange.
        WrongKey: the venue has no place for a paper account.
    """
    from libs.venues.ccxt_venue.exact import Hooks, exact_class  # here, because it imports ccxt

    config: dict[str, object] = {
        "apiKey": endpoint.key,
        "secret": endpoint.secret,
        "timeout": TIMEOUT_MS,
        "enableRateLimit": False,  # our own budget decides
        "options": {**_PLAIN, "maxRetriesOnFailure": 0, **{name: value for name, value in venue.options.items() if name != DEMO}},
    }
    exchange = exact_class(venue.exchange)(config)
    exchange.hooks = hooks or Hooks()
    _only_spot(exchange.options)
    if endpoint.url:
        exchange.urls["api"] = moved(exchange.urls["api"], endpoint.url)
    elif endpoint.mode == "paper":
        _to_paper(exchange, demo=bool(venue.options.get(DEMO)))
    exchange.session, exchange.own_session = wire.open(), False
    return exchange


async def close_exchange(exchange: Any, wire: Wire) -> None:
    """Gives up its streams and connections; a second time does nothing."""
    await exchange.close()
    if wire.session is not None:
        await wire.session.close()
        wire.session = None


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
