"""Where Alpaca is, and whether a key belongs there."""

from typing import Final, NamedTuple

from libs.venues.broker import WrongKey
from libs.venues.endpoint import Endpoint, Mode

_TRADING: Final[dict[Mode, str]] = {"paper": "https://paper-api.alpaca.markets", "live": "https://api.alpaca.markets"}
_DATA: Final = "https://data.alpaca.markets"
_DATA_STREAM: Final = "wss://stream.data.alpaca.markets"
_PREFIX: Final[dict[Mode, str]] = {"paper": "PK", "live": "AK"}
"""How Alpaca's own keys begin."""

_PAPER_ACCOUNT: Final = "PA"


class Addresses(NamedTuple):
    """Base addresses without a slash at the end."""

    trading: str  # ".../v2"
    trading_stream: str
    data: str  # ".../v2/stocks"
    data_stream: str  # ".../v2", the name of the feed follows


def addresses(endpoint: Endpoint) -> Addresses:
    """Alpaca's four hosts, or the one host of a venue that speaks like it."""
    base = _base(endpoint)
    if base in _TRADING.values():
        return Addresses(f"{base}/v2", f"{_websocket(base)}/stream", f"{_DATA}/v2/stocks", f"{_DATA_STREAM}/v2")
    return Addresses(f"{base}/v2", f"{_websocket(base)}/stream", f"{base}/v2/stocks", f"{_websocket(base)}/v2")


def check(endpoint: Endpoint) -> None:
    """Before anything is sent, as a request already shows the secret.

    Raises:
        WrongKey: the key or the address is of the other mode, or the secret of real money would travel in the clear.
    """
    mode, base = endpoint.mode, _base(endpoint)
    other: Mode = "paper" if mode == "live" else "live"
    if base == _TRADING[other]:
        raise WrongKey(f"the mode is {mode}, but {base} is where {other} accounts are: use the address {_TRADING[mode]}")
    if not endpoint.key.startswith(_PREFIX[mode]):
        shown = f"one that begins with {endpoint.key[:2]}" if endpoint.key else "none"
        raise WrongKey(f"the mode is {mode}, whose Alpaca keys begin with {_PREFIX[mode]}, but the key is {shown}: use a {mode} key")
    if mode == "live" and not base.startswith("https://"):
        raise WrongKey(f"the mode is live, but {base} is not encrypted: a live key is only sent to an https:// address")


def check_account(mode: Mode, number: str) -> None:
    """The venue's own word, which neither an address of our choosing nor the look of a key can be wrong about.

    Raises:
        WrongKey: the account behind the key is of the other mode.
    """
    paper = number.startswith(_PAPER_ACCOUNT)
    if paper == (mode == "paper"):
        return
    if paper:
        raise WrongKey(f"the mode is live, but {number} is a paper account: set the address of live accounts")
    raise WrongKey(f"the mode is paper, but {number} is no paper account (those begin with {_PAPER_ACCOUNT}): its orders would cost money")


def _base(endpoint: Endpoint) -> str:
    return (endpoint.url or _TRADING[endpoint.mode]).rstrip("/").removesuffix("/v2")


def _websocket(base: str) -> str:
    return "ws" + base.removeprefix("http")
