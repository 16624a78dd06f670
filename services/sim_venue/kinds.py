"""What a request is for, and where a command came from."""

from collections.abc import Awaitable, Callable
from typing import Final, Literal, NamedTuple, TypeVar

from aiohttp import web

What = Literal["order_submit", "order_cancel", "order_replace", "order_read", "account_read", "market_read", "other"]
"""What a request is for; faults are aimed by it. A handler says so with `@serves(...)`."""

CHANGES: Final[frozenset[What]] = frozenset({"order_submit", "order_cancel", "order_replace"})
"""Requests that are written to the log whether or not they were done."""


NUMBER: Final = web.RequestKey("number", int)
"""Where a request carries its number."""


LONGEST_ID: Final = 128
"""Characters of a client's order id: a longer one names no order of any dialect, and is not kept."""


def naming(client_order_id: str) -> str:
    """The id as requests are counted by; "" for what names no order."""
    return client_order_id if len(client_order_id) <= LONGEST_ID else ""


class Origin(NamedTuple):
    """Where a command came from; written to the log beside it."""

    dialect: str  # alpaca, binance, control
    request: int  # counts all requests that reached the venue: `request[NUMBER]`


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
H = TypeVar("H", bound=Callable[..., Awaitable[web.StreamResponse]])


def serves(what: What) -> Callable[[H], H]:
    """Marks a handler, a function or a method, with what its requests are for."""

    def marked(handler: H) -> H:
        handler.__serves__ = what  # type: ignore[attr-defined]
        return handler

    return marked


def served_by(handler: object) -> What:
    """What a handler is marked with; "other" when it is not."""
    found: What = getattr(handler, "__serves__", "other")
    return found
