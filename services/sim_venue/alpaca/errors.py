"""What Alpaca says when it will not: an HTTP status, a code of eight digits that begins with it, a message, and at times fields.

The codes are classes, not reasons; clients tell reasons apart by the message, so the messages are Alpaca's wherever they are known
(docs.alpaca.markets, "Error Responses" of orders; its guide to common errors).
"""

from collections.abc import Callable, Mapping
from typing import Final

from aiohttp import web

from libs.quant.sim_venue.commands import Code, Refusal
from services.sim_venue.alpaca.wire import answer

BAD_FORMAT: Final = 40010000
BAD_VALUE: Final = 40010001
UNAUTHORIZED: Final = 40110000
FORBIDDEN: Final = 40310000
NOT_FOUND: Final = 40410000
TOO_LARGE: Final = 41310000
UNPROCESSABLE: Final = 42210000
TOO_MANY: Final = 42910000


class Problem(Exception):
    """An answer other than what was asked for. Raised by whoever finds it, answered in one place (`door`)."""

    def __init__(self, status: int, code: int, message: str, **fields: object) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, object] = {"code": code, "message": message, **fields}

    def response(self) -> web.Response:
        """As it goes out."""
        return answer(self.body, self.status)


def bad_format(message: str = "request body format is invalid") -> Problem:
    """The request cannot be read."""
    return Problem(400, BAD_FORMAT, message)


def bad_value(message: str) -> Problem:
    """The request can be read, and one of its values makes no sense."""
    return Problem(422, BAD_VALUE, message)


def unprocessable(message: str, **fields: object) -> Problem:
    """The request makes sense, and cannot be done as things stand."""
    return Problem(422, UNPROCESSABLE, message, **fields)


def forbidden(message: str, **fields: object) -> Problem:
    """The account may not, or has not enough."""
    return Problem(403, FORBIDDEN, message, **fields)


def not_found(message: str) -> Problem:
    """No such thing."""
    return Problem(404, NOT_FOUND, message)


def unauthorized() -> Problem:
    """No key, an unknown one, or the wrong secret: all alike, so that nobody learns which keys there are."""
    return Problem(401, UNAUTHORIZED, "request is not authorized")


_FAULTS: Final[Mapping[int, tuple[int, str]]] = {
    400: (BAD_FORMAT, "request is malformed"),
    404: (NOT_FOUND, "endpoint not found"),
    405: (40510000, "method not allowed"),
    408: (40810000, "request timeout"),
    413: (TOO_LARGE, "request body is too large"),
    418: (41810000, "client is banned"),  # Alpaca has no such answer; the knob can ask for it
    429: (TOO_MANY, "rate limit exceeded"),
    500: (50010000, "internal server error occurred"),
    502: (50210000, "bad gateway"),
    503: (50310000, "service unavailable"),
    504: (50410000, "gateway timeout"),
}


def fault(status: int) -> Problem:
    """The body for a status that was not earned by the request itself."""
    code, message = _FAULTS.get(status, (status * 100_000 + 10_000, "error"))
    return Problem(status, code, message)


def of_refusal(refusal: Refusal, symbol: str) -> Problem:
    """The venue's refusal in Alpaca's words. Callers that know more (how much is free, in which state) say it themselves."""
    make, message = _REFUSALS[refusal.code]
    return make(message.format(symbol=symbol, text=refusal.text))


_REFUSALS: Final[Mapping[Code, tuple[Callable[[str], Problem], str]]] = {
    "unknown_account": (forbidden, "account is not active"),
    "unknown_symbol": (unprocessable, 'asset "{symbol}" not found'),
    "unknown_order": (not_found, "order not found"),
    "unknown_execution": (not_found, "execution not found"),
    "duplicate_client_id": (bad_value, "client_order_id must be unique"),
    "insufficient_funds": (forbidden, "insufficient buying power"),
    "insufficient_position": (forbidden, "insufficient qty available for order"),
    "not_shortable": (unprocessable, 'asset "{symbol}" cannot be sold short'),
    "bad_quantity": (unprocessable, "invalid qty: {text}"),
    "bad_price": (unprocessable, "invalid price: {text}"),
    "bad_combination": (unprocessable, "{text}"),
    "min_notional": (forbidden, "cost basis must be >= minimal amount of order: {text}"),
    "would_cross": (unprocessable, "{text}"),
    "would_trigger": (unprocessable, "{text}"),
    "self_trade": (forbidden, "potential wash trade detected. use complex orders"),
    "halted": (forbidden, 'trading of "{symbol}" is halted'),
    "closed": (forbidden, "market is closed: {text}"),
    "not_open": (unprocessable, "{text}"),
    "no_market": (forbidden, 'no quotes of "{symbol}" to trade against'),
    "below_filled": (unprocessable, "qty must be > filled_qty"),
}
