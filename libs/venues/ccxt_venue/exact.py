"""ccxt's own exchange class with every number exact, every error with its origin, and no stream that goes deaf.

Importing this imports ccxt: 110 MB and more than a second, so only `client.open_exchange` does.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import ccxt.pro
import msgspec
from ccxt.base.errors import BaseError, NetworkError, NotSupported

from libs.venues.ccxt_venue import wire

Tap = Callable[[object], bool]
"""Sees each stream message before ccxt; True: ccxt need not see it."""

_decode: Final = msgspec.json.Decoder(float_hook=str).decode  # a number with a point is its digits, as ccxt's JavaScript has it


class Hooks:
    """What the class below tells us of its streams; replaced by whoever listens."""

    tap: Tap = staticmethod(lambda message: False)
    heard: Callable[[], None] = staticmethod(lambda: None)  # after ccxt has taken a message in
    lost: Callable[[str], None] = staticmethod(lambda reason: None)  # a stream connection is no more


def exact_class(exchange_id: str) -> type[Any]:
    """The class of an exchange, made exact.

    Raises:
        ValueError: ccxt knows none of that name.
    """
    if exchange_id not in ccxt.pro.exchanges:
        raise ValueError(f"Expected an exchange that ccxt streams, such as binance or kraken, in field `exchange`, got {exchange_id!r}")
    return type(f"Exact_{exchange_id}", (_Exact, getattr(ccxt.pro, exchange_id)), {})


class _Exact(ccxt.pro.Exchange):  # type: ignore[misc]
    """Mixed in before the class of an exchange."""

    number = str  # ccxt keeps numbers as text until here, and makes floats of them unless told otherwise
    timeout_on_exit = 0
    hooks: Hooks

    def on_json_response(self, response_body: str) -> object:
        return _decode(response_body)

    def handle_errors(
        self, code: int, reason: str, url: str, method: str, headers: Any, body: str, response: object, sent: Any, sent_body: Any
    ) -> Any:
        """As the exchange's own, noting that an error is the venue's own word."""
        if sending := wire.current():
            sending.status = code
        try:
            return super().handle_errors(code, reason, url, method, headers, body, response, sent, sent_body)
        except BaseError:
            if sending and isinstance(response, dict | list) and not isinstance(response, str):
                sending.own_words, sending.code = True, _code(response)
            raise

    def client(self, url: str) -> Any:
        known = url in (self.clients or {})
        client = super().client(url)
        if not known:
            client.handle_text_or_binary_message = partial(self._take_in, client)
        return client

    def _take_in(self, client: Any, data: str | bytes) -> None:
        """One stream message. Without this, ccxt stops reading for good, and without a word, when a handler of its raises."""
        try:
            text = data.decode() if isinstance(data, bytes) and client.decompressBinary else data
            message = _decode(text) if isinstance(text, str) and text[:1] in ("{", "[") else text
            if not self.hooks.tap(message):
                self.handle_message(client, message)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, BaseError) as error:
            client.on_error(NetworkError(f"{self.id} sent a message that cannot be read: {type(error).__name__}: {error}"))
        else:
            self.hooks.heard()

    def on_error(self, client: Any, error: BaseException) -> None:
        super().on_error(client, error)
        self.hooks.lost(f"{type(error).__name__}: {error}")

    def on_close(self, client: Any, error: Any) -> None:
        super().on_close(client, error)
        self.hooks.lost(f"closed by the venue with code {error}")


def _code(body: object) -> str | None:
    """The venue's code, where it calls it that."""
    if isinstance(body, dict):
        found = body.get("code")
        return None if found is None else str(found)
    return None


__all__ = ["Hooks", "NotSupported", "exact_class"]
