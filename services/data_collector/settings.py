"""What data_collector takes from its environment."""

from typing import Annotated

import msgspec

from libs.common.settings import Settings


class CollectorSettings(Settings, frozen=True, kw_only=True):
    """Which market is played, and how."""

    feed: Annotated[str, msgspec.Meta(pattern=r"^(closes|synthetic|venues|replay:[a-z0-9_]+)$")] = "synthetic"
    speed: Annotated[float, msgspec.Meta(ge=0.0)] = 0.0  # market seconds per host second; 0: the feed's own, which a live one always has
    seed: Annotated[int, msgspec.Meta(ge=0)] = 1
    lockstep: bool = False
    stocks: int = 0  # of the synthetic market, for measurements; 0: its own five symbols
    ticks_per_s: float = 0.0  # of the synthetic market, in all, market time; 0: its own
