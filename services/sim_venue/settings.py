"""What sim_venue takes from its environment."""

from typing import Annotated

import msgspec

from libs.common.settings import Settings


class SimVenueSettings(Settings, frozen=True, kw_only=True):
    """Which market the venue plays, and how. It has no database; over Redis it only says that it lives."""

    database_url: str = ""
    redis_url: str = ""
    sim_market: Annotated[str, msgspec.Meta(pattern=r"^(closes|synthetic|manual|replay:[a-z0-9_]+)$")] = "manual"
    speed: Annotated[float, msgspec.Meta(ge=0.0)] = 0.0  # market seconds per host second; 0: the market's own
    seed: Annotated[int, msgspec.Meta(ge=0)] = 1
