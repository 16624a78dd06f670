"""Who asks, and whether it is they: API keys, HMAC-SHA256 over what was sent, and the time window of a request."""

import hmac
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from services.sim_venue.binance.errors import VenueError, illegal, missing
from services.sim_venue.binance.figures import NS_PER_MS
from services.sim_venue.binance.parameters import Parameters
from services.sim_venue.credentials import Credential

MOST_PARAMETERS: Final = 64
_AHEAD_MS: Final = 1000
_WINDOW_MS: Final = 5000
_MOST_WINDOW_MS: Final = 60_000


class Sent(NamedTuple):
    """What a request carries: its parameters, and the text that its signature is over."""

    parameters: Parameters
    signed: str


def of_form(query: str, body: bytes) -> Sent:
    """Of a REST request: the query string and the form, exactly as they came, one after the other, less the signature itself."""
    try:
        form = body.decode("utf-8")
    except UnicodeDecodeError:
        raise illegal("body", "^[ -~]*$") from None
    values: dict[str, str] = {}
    for part in filter(None, (query, form)):
        for name, value in _pairs(part):
            if name in values:
                raise VenueError(-1101, "Duplicate values for a parameter detected.")
            values[name] = value
    return Sent(Parameters(values), _unsigned(query) + _unsigned(form))


def _pairs(part: str) -> list[tuple[str, str]]:
    """Names and values of a query or a form."""
    if part.count("&") >= MOST_PARAMETERS:
        raise VenueError(-1101, "Too many parameters sent for this endpoint.")
    if "%" in part or "+" in part:
        return parse_qsl(part, keep_blank_values=True)
    fields = [field.partition("=") for field in part.split("&") if field]  # most orders have nothing to be unquoted
    return [(name, value) for name, _, value in fields]


def _unsigned(part: str) -> str:
    return "&".join(pair for pair in part.split("&") if not pair.startswith("signature="))


def of_mapping(values: Mapping[str, str]) -> Sent:
    """Of a websocket request: `name=value` in alphabetical order of the names."""
    signed = "&".join(f"{name}={values[name]}" for name in sorted(values) if name != "signature")
    return Sent(Parameters(values), signed)


def known(key: str | None, find: Callable[[str], Credential | None]) -> Credential:
    """Whose key it is.

    Raises:
        VenueError: -2014 without a key, -2015 for one that is not of this dialect.
    """
    if not key:
        raise VenueError(-2014, "API-key format invalid.", 401)
    credential = find(key)
    if credential is None or credential.dialect != "binance":
        raise VenueError(-2015, "Invalid API-key, IP, or permissions for action.", 401)
    return credential


def check(sent: Sent, secret: str, wire_time_ns: int) -> None:
    """Whether a request is signed by its key and comes in time.

    Raises:
        VenueError: -1102 for what is missing, -1021 outside of the window, -1131 for too wide a window, -1022 for a wrong signature.
    """
    signature = sent.parameters.need("signature")
    _check_time(sent.parameters, wire_time_ns // NS_PER_MS)
    expected = hmac.digest(secret.encode(), sent.signed.encode(), "sha256").hex()
    if not hmac.compare_digest(expected.encode(), signature.lower().encode()):
        raise VenueError(-1022, "Signature for this request is not valid.")


def _check_time(parameters: Parameters, now_ms: int) -> None:
    timestamp = parameters.integer("timestamp")
    if timestamp is None:
        raise missing("timestamp")
    if timestamp > 10**14:  # microseconds, which the venue takes as well
        timestamp //= 1000
    window = parameters.decimal("recvWindow")
    window_ms = _WINDOW_MS if window is None else window
    if window_ms > _MOST_WINDOW_MS:
        raise VenueError(-1131, "recvWindow must be less than 60000.")
    if timestamp >= now_ms + _AHEAD_MS:
        raise VenueError(-1021, f"Timestamp for this request was {_AHEAD_MS}ms ahead of the server's time.")
    if now_ms - timestamp > window_ms:
        raise VenueError(-1021, "Timestamp for this request is outside of the recvWindow.")
