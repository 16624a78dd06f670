"""Keys of venues: where they come from, and when trading for real money is refused."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

from libs.domain.configuration import VenueConfig

FEES_IN_QUOTE: Final = "fees_in_quote"
"""The operator's word, among the options of a venue of ccxt, that its fees are never taken in a coin that is bought."""


class Keys(NamedTuple):
    """An API key and its secret; "" where there is none."""

    key: str
    secret: str


Look = Callable[[str], str]
"""The value of a variable of the environment; "" where it is not set."""


REAL_MARKETS: Final[Mapping[Literal["paper", "live"], str]] = {"paper": "VENUES", "live": "LIVE"}
"""What the record calls the market of venues that are not simulated. A session of the one never goes on as the other: its
accounts hold what was traded with the other keys."""


Purpose = Literal["trade", "deadman", "auditor"]
"""Whose keys: of who trades the account, of who ends its orders when that one is gone, or of who only looks. Each its own, so that
what happens to the one key (revoked, out of requests) does not happen to the others."""


def variables(venue: VenueConfig, purpose: Purpose = "trade") -> tuple[str, str]:
    """Names of the variables that hold the keys of a venue."""
    name = venue.name.upper() + ("" if purpose == "trade" else f"_{purpose.upper()}")
    return f"{name}_API_KEY", f"{name}_SECRET_KEY"


def keys(venue: VenueConfig, look: Look, purpose: Purpose = "trade") -> Keys:
    """The keys of a venue that is not simulated.

    Raises:
        ValueError: one is missing; the message says which.
    """
    missing = [name for name in variables(venue, purpose) if not look(name)]
    if missing:
        names, files = " and ".join(missing), " and ".join(f"{name}_FILE" for name in missing)
        them, held = ("them", "files that hold them") if len(missing) > 1 else ("it", "a file that holds it")
        raise ValueError(f"venue {venue.name} needs {names}: set {them}, or name {held} in {files}")
    return Keys(*map(look, variables(venue, purpose)))


def of_another_market(market: str, venues: Sequence[VenueConfig | None], mode: Literal["paper", "live"]) -> str:
    """Why a session of `market` (as the record calls it) may not trade at these venues (None: `paper`) now; "" when it may."""
    real = any(venue is not None and venue.url != "sim" for venue in venues)
    if real and market != REAL_MARKETS[mode]:
        return f"the session played {market}, and its accounts would trade at {REAL_MARKETS[mode]} now"
    if not real and market in REAL_MARKETS.values():
        return f"the session played {market}, and its venues are simulated now"
    return ""


def refuses_live(venues: Sequence[VenueConfig | None], look: Look, file: Path) -> str:
    """Why EXECUTION_MODE=live may not trade at these venues (None: `paper`) of the configuration in `file`; "" when it may."""
    if not venues:
        return f"no account of {file} is at a venue of real money: add a [[venue]] and an [[account]] there"
    for venue in venues:
        if venue is None:
            return "an account is at venue paper, which trades no real money: play FEED=venues"
        if venue.url == "sim":
            return f'venue {venue.name} is simulated (url = "sim"): set url = "" for its own address'
        if venue.adapter == "ccxt" and not venue.options.get(FEES_IN_QUOTE):
            return (
                f"venue {venue.name} may take the fee of a purchase in the coin that is bought, which our books cannot hold yet: have it"
                f" taken in the quote currency, and say so with options = {{ {FEES_IN_QUOTE} = true }}"
            )
        if venue.url.startswith("http://"):
            return f"venue {venue.name} is at {venue.url}, which is not encrypted: a live key is only sent to an https:// address"
        try:
            found = keys(venue, look)
        except ValueError as error:
            return str(error)
        if venue.adapter == "alpaca" and found.key.startswith("PK"):
            return f"{variables(venue)[0]} is a paper key (it begins with PK): a live one begins with AK"
    return ""
