"""What the fleet asks of a sim_venue beside trading: accounts with their keys, what they hold, and the market it shows."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Literal, TypeVar

import aiohttp
import msgspec

from libs.venues.broker import Holdings

T = TypeVar("T")

PORT: Final = 9108
ANSWER_WITHIN_S: Final = 5.0
_MOST_OF_A_FAULT: Final = 300

SimDialect = Literal["alpaca", "binance"]

DIALECTS: Final[Mapping[Literal["alpaca", "ccxt"], SimDialect]] = {"alpaca": "alpaca", "ccxt": "binance"}
"""What sim_venue calls the wire protocol that an adapter speaks; also its path there."""


class SimVenueAway(Exception):
    """It does not answer, or not like a sim_venue. Asking again is safe: everything here may be asked twice."""


class SimVenueRefused(Exception):
    """It answered no; the message is its reason. Asking again changes nothing."""


class SimKey(msgspec.Struct, frozen=True, kw_only=True):
    """What an account's requests are signed with."""

    key: str
    secret: str


class SimMarket(msgspec.Struct, frozen=True, kw_only=True):
    """The market that the venue shows at this moment."""

    market_time: int  # ns
    speed: float  # market seconds per host second; 0: its time moves by hand
    feed: str
    seed: int
    symbols: tuple[str, ...]


class _Held(msgspec.Struct, frozen=True, kw_only=True):
    balances: dict[str, Decimal]
    positions: dict[str, Decimal]


class _Problem(msgspec.Struct, frozen=True):
    title: str = ""
    detail: str = ""


class SimControl:
    """The control API of one sim_venue. Blocks no longer than `ANSWER_WITHIN_S`, and never asks twice by itself."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        """`url` is that of the venue, `http://127.0.0.1:9108`, without a dialect's prefix."""
        self._http = http
        self._url = url.rstrip("/") + "/sim/v1"

    async def market(self) -> SimMarket:
        """What is played there, and how fast.

        Raises:
            SimVenueAway, SimVenueRefused.
        """
        return await self._ask("GET", "/market", SimMarket)

    async def open_account(
        self,
        account: str,
        dialect: SimDialect,
        deposit: Mapping[str, Decimal],
        *,
        kind: Literal["cash", "margin"] = "cash",
        allow_short: bool = False,
        leverage: Decimal = Decimal(1),
    ) -> SimKey:
        """The key of an account, which is opened with `deposit` (by currency) if it is not there yet. Nothing of one that
        is there changes.

        Raises:
            SimVenueAway, SimVenueRefused.
        """
        body = {
            "account": account,
            "dialect": dialect,
            "deposit": {currency: str(amount) for currency, amount in deposit.items()},
            "kind": kind,
            "allow_short": allow_short,
            "leverage": str(leverage),
        }
        return await self._ask("POST", "/accounts", SimKey, body)

    async def key(self, account: str, dialect: SimDialect, name: str) -> SimKey:
        """A further key of an account that is open; the same one for the same name.

        Raises:
            SimVenueAway, SimVenueRefused.
        """
        return await self._ask("POST", f"/accounts/{account}/keys", SimKey, {"dialect": dialect, "name": name})

    async def holdings(self, account: str) -> Holdings:
        """What the venue's own record says that the account has; zeros left out.

        Raises:
            SimVenueAway, SimVenueRefused.
        """
        held = await self._ask("GET", f"/accounts/{account}", _Held)
        return Holdings(_without_zeros(held.balances), _without_zeros(held.positions))

    async def _ask(self, method: str, path: str, kind: type[T], body: Mapping[str, Any] | None = None) -> T:
        url = self._url + path
        try:
            timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
            async with self._http.request(method, url, json=body, timeout=timeout, allow_redirects=False) as answer:
                status, text = answer.status, await answer.read()
        except TimeoutError as error:
            raise SimVenueAway(f"{method} {url}: no answer within {ANSWER_WITHIN_S:g} s") from error
        except aiohttp.ClientError as error:
            raise SimVenueAway(f"{method} {url}: {error}; is sim_venue running?") from error
        if 400 <= status < 500 and status != 429:
            raise SimVenueRefused(f"{method} {url}: {_reason(status, text)}")
        if not 200 <= status < 300:
            raise SimVenueAway(f"{method} {url}: {_reason(status, text)}")
        try:
            return msgspec.json.decode(text, type=kind)
        except msgspec.DecodeError as error:
            raise SimVenueAway(f"{method} {url}: expected the answer of a sim_venue, got other words: {error}") from error


def _reason(status: int, text: bytes) -> str:
    """What a fault says of itself: `detail` of a problem+json, or its first words."""
    try:
        problem = msgspec.json.decode(text, type=_Problem)
    except msgspec.DecodeError:
        return f"{status} {text[:_MOST_OF_A_FAULT].decode(errors='replace')}".strip()
    return f"{status} {problem.detail or problem.title}".strip()


def _without_zeros(amounts: Mapping[str, Decimal]) -> dict[str, Decimal]:
    return {name: amount for name, amount in amounts.items() if amount}
