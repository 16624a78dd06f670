"""The fault knobs: what goes wrong between the venue and its clients, as told by HTTP or drawn from a seed."""

from typing import Literal

import msgspec

Kind = Literal[
    # of requests
    "latency",  # `seconds` before the venue looks at it
    "drop_before",  # the connection ends, and the venue never saw it
    "drop_after",  # the venue does it, and the connection ends without an answer
    "status_before",  # answers `status` without doing it: 418, 429, 500, 502, 503, 504
    "status_after",  # does it, and answers `status`
    "half",  # does it, and the connection ends in the middle of the answer
    # of stream frames; the socket stays open
    "lose",
    "duplicate",
    "reorder",  # the frame comes after the next one
    "late",  # by `seconds`
    "mute",  # nothing more comes on this connection, pings are still answered
    "disconnect",
]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One knob: it hits whatever matches, after `skip` matches, `count` times (None: until it is removed)."""

    kind: Kind
    dialect: str = "*"  # alpaca, binance
    what: str = "*"  # a `What` of host.py; of streams "orders" or "market"
    client_order_id: str = ""  # only requests that carry it
    symbol: str = ""  # only frames about it
    skip: int = 0
    count: int | None = 1
    probability: float = 1.0  # drawn from the venue's seed
    seconds: float = 0.0
    status: int = 0


class Weather(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for everybody until it is changed."""

    read_lag_s: float = 0.0  # 0 to 90: reads see the venue as it was that long ago
    clock_skew_ms: float = 0.0  # of the venue's wire clock
    maintenance: bool = False  # everything but /sim answers 503
    requests_per_minute: int = 0  # above which 429 is answered; 0: the dialect's own limit
    price_gap_bps: dict[str, float] = {}  # by symbol: every price from now on is off by that


class Faults:
    """All knobs, and how often each has hit."""
