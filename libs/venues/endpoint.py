"""Where a remote venue is, and who we are there."""

from dataclasses import dataclass, field
from typing import Literal

Mode = Literal["paper", "live"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One account's way into a venue. Shown without its secret, wherever it is shown."""

    url: str  # base address; "": the venue's own for this mode
    key: str
    secret: str = field(repr=False)
    mode: Mode  # what the key has to be for: an order meant for paper must never reach a live account
