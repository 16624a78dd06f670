"""What the venue answers when it says no: `{"code": -1121, "msg": "Invalid symbol."}`, by the published list of codes."""

from typing import Final, NamedTuple

from libs.quant.sim_venue.commands import Code, Refusal


class VenueError(Exception):
    """The venue says no. `data` is what some answers carry beside code and message."""

    def __init__(self, code: int, text: str, status: int = 400, data: object = None, retry_after_s: int = 0) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.status = status
        self.data = data
        self.retry_after_s = retry_after_s

    @property
    def body(self) -> dict[str, object]:
        """The answer's JSON."""
        return {"code": self.code, "msg": self.text} | ({} if self.data is None else {"data": self.data})


class Words(NamedTuple):
    """A code and its text."""

    code: int
    text: str


NEW_ORDER_REJECTED: Final = -2010
CANCEL_REJECTED: Final = -2011

REFUSED: Final[dict[Code, Words]] = {
    "unknown_account": Words(-2015, "Invalid API-key, IP, or permissions for action."),
    "unknown_symbol": Words(-1121, "Invalid symbol."),
    "unknown_order": Words(CANCEL_REJECTED, "Unknown order sent."),
    "unknown_execution": Words(-1130, "Data sent for parameter 'tradeId' is not valid."),
    "duplicate_client_id": Words(NEW_ORDER_REJECTED, "Duplicate order sent."),
    "insufficient_funds": Words(NEW_ORDER_REJECTED, "Account has insufficient balance for requested action."),
    "insufficient_position": Words(NEW_ORDER_REJECTED, "Account has insufficient balance for requested action."),
    "not_shortable": Words(NEW_ORDER_REJECTED, "Account has insufficient balance for requested action."),
    "bad_quantity": Words(-1013, "Filter failure: LOT_SIZE"),
    "bad_price": Words(-1013, "Filter failure: PRICE_FILTER"),
    "bad_combination": Words(-1128, "Combination of optional parameters invalid."),
    "min_notional": Words(-1013, "Filter failure: NOTIONAL"),
    "would_cross": Words(NEW_ORDER_REJECTED, "Order would immediately match and take."),
    "would_trigger": Words(NEW_ORDER_REJECTED, "Stop price would trigger immediately."),
    "self_trade": Words(NEW_ORDER_REJECTED, "This order would meet another of the same account."),
    "halted": Words(-1013, "Market is closed."),
    "closed": Words(-1013, "Market is closed."),
    "not_open": Words(CANCEL_REJECTED, "Unknown order sent."),
    "no_market": Words(NEW_ORDER_REJECTED, "There are not enough orders in the book to fill this order."),
    "below_filled": Words(-1130, "Data sent for parameter 'quantity' is not valid."),
}


def of_refusal(refusal: Refusal) -> VenueError:
    """The venue's words for what the core refused."""
    code, text = REFUSED[refusal.code]
    return VenueError(code, text)


_BY_STATUS: Final[dict[int, Words]] = {
    400: Words(-1100, "Illegal characters found in a parameter."),
    403: Words(-1002, "You are not authorized to execute this request."),
    404: Words(-1099, "Not found, authenticated, or authorized."),
    405: Words(-1099, "Not found, authenticated, or authorized."),
    408: Words(-1001, "Internal error; unable to process your request. Please try again."),
    413: Words(-1101, "Too many parameters sent for this endpoint."),
    418: Words(-1003, "Way too many requests; IP banned. Please use the websocket for live updates to avoid bans."),
    429: Words(-1003, "Too much request weight used; please use WebSocket Streams for live updates to avoid polling the API."),
    500: Words(-1000, "An unknown error occurred while processing the request."),
    502: Words(-1006, "An unexpected response was received from the message bus. Execution status unknown."),
    503: Words(-1001, "Internal error; unable to process your request. Please try again."),
    504: Words(-1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown."),
}


def of_status(status: int) -> VenueError:
    """What the venue answers with an HTTP status that has no more precise reason."""
    code, text = _BY_STATUS.get(status, _BY_STATUS[500])
    return VenueError(code, text, status)


def missing(name: str) -> VenueError:
    """A parameter that has to be there is not."""
    return VenueError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def illegal(name: str, legal: str) -> VenueError:
    """A parameter has characters that it cannot have."""
    return VenueError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def invalid(name: str) -> VenueError:
    """A parameter reads well and cannot be."""
    return VenueError(-1130, f"Data sent for parameter '{name}' is not valid.")


def filter_failure(name: str) -> VenueError:
    """A quantity, price or notional that the symbol's filter does not let through."""
    return VenueError(-1013, f"Filter failure: {name}")
