"""ccxt's own exchange class with every number exact, every error with its origin, and no stream that goes deaf.

Importing this imports ccxt: 110 MB and more than a second, so only `client.py` does, when an exchange is made.
"""

import asyncio
from collections.abc import Callable
from decimal import localcontext
from functools import partial
from typing import Any, Final

import ccxt.pro
import msgspec
from ccxt.base.errors import BaseError, NetworkError

from libs.venues.ccxt_venue import wire

_decode: Final = msgspec.json.Decoder(float_hook=str).decode
"""A number with a point stays its digits, which is what ccxt's parsers are written for: its JavaScript quotes such numbers."""

Tap = Callable[[object, str], bool]
"""Sees each message, and the address of its socket, before ccxt does; True: ccxt need not see it."""

_UNREADABLE: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, BaseError)


class Hooks:
    """What the class below tells of its streams; whoever listens puts functions of his own here."""

    def __init__(self) -> None:
        self.tap: Tap = lambda message, url: False
        self.resolved: Callable[[object], None] = lambda result: None  # each thing that ccxt has parsed, awaited or not
        self.lost: Callable[[str], None] = lambda reason: None  # a connection is no more


def exact_class(exchange_id: str) -> type[Any]:
    """The class of an exchange, made exact.

    Raises:
        ValueError: ccxt knows none of that name.
    """
    if exchange_id not in ccxt.pro.exchanges:
        raise ValueError(f"Expected an exchange that ccxt streams, such as binance or kraken, in field `exchange`, got {exchange_id!r}")
    return type(f"Exact_{exchange_id}", (_Exact, getattr(ccxt.pro, exchange_id)), {})


def _apart(rounding: Callable[..., str]) -> Callable[..., str]:
    """ccxt sets how decimals are rounded, and what they raise on, for the whole process, and leaves it so: its rounding gets a context of
    its own, and ours stays."""

    def apart(*args: Any, **kwargs: Any) -> str:
        with localcontext():
            return rounding(*args, **kwargs)

    return apart


class _Exact(ccxt.pro.Exchange):  # type: ignore[misc]
    """Mixed in before the class of an exchange."""

    number = str  # ccxt keeps numbers as text until here, and makes floats of them unless told otherwise
    timeout_on_exit = 0
    clients: dict[str, Any]

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.decimal_to_precision: Callable[..., str] = _apart(vars(self)["decimal_to_precision"])
        self.hooks = Hooks()
        self.closing: set[asyncio.Task[None]] = set()

    def on_json_response(self, response_body: str) -> object:
        return _decode(response_body)

    def handle_errors(
        self, code: int, reason: str, url: str, method: str, headers: Any, body: str, response: object, sent: Any, sent_body: Any
    ) -> Any:
        """As the exchange's own, noting that an error is the venue's own word."""
        sending = wire.current()
        if sending:
            sending.status = code
        try:
            return super().handle_errors(code, reason, url, method, headers, body, response, sent, sent_body)
        except BaseError:
            if sending and isinstance(response, dict | list):
                sending.own_words, sending.code, sending.message = True, _said(response, "code"), _said(response, "msg") or ""
                sending.data = response.get("data") if isinstance(response, dict) else None
            raise

    def client(self, url: str) -> Any:
        known = url in (self.clients or {})
        client = super().client(url)
        if not known:
            client.handle_text_or_binary_message = partial(self._take_in, client)
            client.resolve = partial(self._resolve, client.resolve)
        return client

    def _take_in(self, client: Any, data: str | bytes) -> None:
        """One stream message. Left to itself, ccxt stops reading for good, and without a word, when a handler of its raises."""
        try:
            text = data.decode() if isinstance(data, bytes) and client.decompressBinary else data
            message = _decode(text) if isinstance(text, str) and text[:1] in ("{", "[") else text
            if not self.hooks.tap(message, client.url):
                self.handle_message(client, message)
        except _UNREADABLE as error:
            client.on_error(NetworkError(f"{self.id} sent a message that cannot be read: {type(error).__name__}: {error}"))

    def _resolve(self, resolve: Callable[[object, str | None], object], result: object, message_hash: str | None = None) -> object:
        self.hooks.resolved(result)
        return resolve(result, message_hash)

    def on_connected(self, client: Any, message: Any = None) -> None:
        super().on_connected(client, message)
        if getattr(client, "dropped", False):
            self._hang_up(client)

    def on_error(self, client: Any, error: BaseException) -> None:
        super().on_error(client, error)
        if not getattr(client, "dropped", False):
            self.hooks.lost(f"{type(error).__name__}: {error}")

    def on_close(self, client: Any, error: Any) -> None:
        super().on_close(client, error)
        if not getattr(client, "dropped", False):
            self.hooks.lost(f"closed by the venue with code {error}")

    def drop_streams(self) -> None:
        """Gives up all stream connections at once. A mute peer is not waited for; `closing` is who still says goodbye."""
        clients = self.clients or {}
        self.clients = {}
        for client in clients.values():
            client.dropped = True
            self._hang_up(client)

    def _hang_up(self, client: Any) -> None:
        task = asyncio.get_running_loop().create_task(client.close())
        self.closing.add(task)
        task.add_done_callback(self.closing.discard)


def _said(body: object, field: str) -> str | None:
    """The venue's code or message, where it calls them so."""
    found = body.get(field) if isinstance(body, dict) else None
    return None if found is None else str(found)
