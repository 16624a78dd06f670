"""What of a strategy outlives its process."""

from typing import NamedTuple


class StoredState(NamedTuple):
    """A fold's state after the bar that starts at `bar_time`."""

    strategy_id: str
    symbol: str  # * for a panel: one state over all its symbols
    fingerprint: str  # of everything that gives the state its meaning; a state of another is not taken up
    bar_time: int  # market ns
    state: bytes  # MessagePack
