"""Keys of venues: where they come from, and when trading for real money is refused."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from libs.domain.configuration import VenueConfig


class Keys(NamedTuple):
    """An API key and its secret; "" where there is none."""

    key: str
    secret: str


Look = Callable[[str], str]
"""The value of a variable of the environment; "" where it is not set."""


REAL_MARKETS: Final[Mapping[Literal["paper", "live"], str]] = {"paper": "VENUES", "live": "LIVE"}
"""What the record calls the market of venues that are not simulated. A session of the one never goes on as the other: its
accounts hold what was traded with the other keys."""


def variables(venue: VenueConfig) -> tuple[str, str]:
    """Names of the variables that hold the keys of a venue."""
    name = venue.name.upper()
    return f"{name}_API_KEY", f"{name}_SECRET_KEY"


def keys(venue: VenueConfig, look: Look) -> Keys:
    """The keys of a venue that is not simulated.

    Raises:
        ValueError: one is missing; the message says which.
    """
    missing = [name for name in variables(venue) if not look(name)]
    if missing:
        raise ValueError(f"venue {venue.name} needs {' and '.join(missing)}; set them, each or as {missing[0]}_FILE naming a file")
    return Keys(*map(look, variables(venue)))


def of_another_market(market: str, venues: Sequence[VenueConfig | None], mode: Literal["paper", "live"]) -> str:
    """Why a session of `market` (as the record calls it) may not trade at these venues (None: `paper`) now; "" when it may."""
    real = any(venue is not None and venue.url != "sim" for venue in venues)
    if real and market != REAL_MARKETS[mode]:
        return f"the session played {market}, and its accounts would trade at {REAL_MARKETS[mode]} now"
    if not real and market in REAL_MARKETS.values():
        return f"the session played {market}, and its venues are simulated now"
    return ""


def refuses_live(venues: Sequence[VenueConfig | None], look: Look) -> str:
    """Why EXECUTION_MODE=live may not trade at these venues (None: `paper`); "" when it may."""
    if not venues:
        return "no account of config/system.toml is at a venue of real money: add a [[venue]] and an [[account]] there"
    for venue in venues:
        if venue is None:
            return "an account is at venue paper, which trades no real money: play FEED=venues"
        if venue.url == "sim":
            return f'venue {venue.name} is simulated (url = "sim"): set url = "" for its own address'
        try:
            found = keys(venue, look)
        except ValueError as error:
            return str(error)
        if venue.adapter == "alpaca" and found.key.startswith("PK"):
            return f"{variables(venue)[0]} is a paper key (it begins with PK): a live one begins with AK"
    return ""
