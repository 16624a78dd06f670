"""The fault knobs: what goes wrong between the venue and its clients, as told by HTTP or drawn from a seed."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Final, Literal

import msgspec

Kind = Literal[
    # of requests
    "latency",  # `seconds` before the venue looks at it
    "drop_before",  # the connection ends, and the venue never saw it
    "drop_after",  # the venue does it, and the connection ends without an answer
    "status_before",  # answers `status` without doing it: 418, 429, 500, 502, 503, 504
    "status_after",  # does it, and answers `status`
    "late_answer",  # does it, and answers `seconds` later
    "half",  # does it, and the connection ends in the middle of the answer
    # of stream frames; the socket stays open
    "lose",
    "duplicate",
    "reorder",  # the frame comes after the next one; with a symbol, after the next one about it
    "late",  # by `seconds`
    "garble",  # half of the frame comes instead of it
    "mute",  # nothing more comes on this connection, pings are still answered
    "disconnect",
]

OF_FRAMES: Final = frozenset({"lose", "duplicate", "reorder", "late", "garble", "mute", "disconnect"})
STATUSES: Final = (418, 429, 500, 502, 503, 504)
LONGEST_S: Final = 600.0
MOST_SKEW_MS: Final = 1e11
MOST_REQUESTS: Final = 1_000_000_000
WHATS: Final = ("order_submit", "order_cancel", "order_replace", "order_read", "account_read", "market_read", "other")


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One knob: it hits whatever matches, after `skip` matches, `count` times (None: until it is removed)."""

    kind: Kind
    dialect: str = "*"  # alpaca, binance
    what: str = "*"  # a `What` of kinds.py; of streams "orders" or "market"
    client_order_id: str = ""  # only requests that carry it
    symbol: str = ""  # only frames about it
    skip: int = 0
    count: int | None = 1
    probability: float = 1.0  # drawn from the venue's seed
    seconds: float = 0.0
    status: int = 0

    def __post_init__(self) -> None:
        whats = ("*", "orders", "market") if self.kind in OF_FRAMES else ("*", *WHATS)
        _expect(self.what in whats, f"what of {self.kind} to be one of {', '.join(whats)}", self.what)
        _expect(0 <= self.probability <= 1, "a probability from 0 to 1", self.probability)
        _expect(self.skip >= 0, "a skip of 0 or more", self.skip)
        _expect(self.count is None or self.count > 0, "a count above 0, or null", self.count)
        if self.kind in ("latency", "late_answer", "late"):
            _expect(0 < self.seconds <= LONGEST_S, f"seconds above 0, at most {LONGEST_S:g}", self.seconds)
        if self.kind in ("status_before", "status_after"):
            _expect(self.status in STATUSES, f"a status of {', '.join(map(str, STATUSES))}", self.status)


class Weather(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for everybody until it is changed."""

    read_lag_s: float = 0.0  # 0 to 90: reads see the venue as it was that long ago
    clock_skew_ms: float = 0.0  # of the venue's wire clock
    maintenance: bool = False  # everything but /sim answers 503
    requests_per_minute: int = 0  # above which 429 is answered; 0: the dialect's own limit
    one_market_stream: bool = False  # an account may have one connection to market data, as most of Alpaca's plans allow
    price_gap_bps: dict[str, float] = {}  # by symbol: every price from now on is off by that

    def __post_init__(self) -> None:
        _expect(0 <= self.read_lag_s <= 90, "read_lag_s from 0 to 90", self.read_lag_s)
        _expect(abs(self.clock_skew_ms) <= MOST_SKEW_MS, f"clock_skew_ms of at most {MOST_SKEW_MS:.0f} either way", self.clock_skew_ms)
        some = f"requests_per_minute of 0 to {MOST_REQUESTS}"
        _expect(0 <= self.requests_per_minute <= MOST_REQUESTS, some, self.requests_per_minute)
        for symbol, gap in self.price_gap_bps.items():
            _expect(-10_000 < gap < 1_000_000, f"price_gap_bps of {symbol} above -10000 and below 1000000", gap)


def _expect(so: bool, expected: str, got: object) -> None:
    if not so:
        raise ValueError(f"expected {expected}, got {got!r}")


class Knob:
    """A fault that is set, and how often it met something and hit."""

    def __init__(self, number: int, fault: Fault, seed: int) -> None:
        self.number = number
        self.fault = fault
        self.matched = 0
        self.hits = 0
        self._random = Random(f"{seed}/{number}")

    def strikes(self) -> bool:
        """Whether it hits what it has just matched."""
        self.matched += 1
        fault = self.fault
        if self.matched <= fault.skip or self.spent:
            return False
        if fault.probability < 1 and self._random.random() >= fault.probability:
            return False
        self.hits += 1
        return True

    @property
    def spent(self) -> bool:
        return self.fault.count is not None and self.hits >= self.fault.count

    def shown(self) -> dict[str, object]:
        return {"id": self.number, **msgspec.structs.asdict(self.fault), "matched": self.matched, "hits": self.hits}


class Faults:
    """All knobs, and how often each has hit. A restart of the venue forgets them; the weather it keeps."""

    def __init__(self, seed: int) -> None:
        self.weather = Weather()
        self._seed = seed
        self._made = 0
        self._knobs: dict[int, Knob] = {}
        self._of_requests: list[Knob] = []
        self._of_frames: list[Knob] = []

    def add(self, fault: Fault) -> Knob:
        """Sets a knob."""
        self._made += 1
        knob = self._knobs[self._made] = Knob(self._made, fault, self._seed)
        self._sort()
        return knob

    def remove(self, number: int | None = None) -> bool:
        """Takes a knob away, or all of them; False when there is no such knob."""
        if number is None:
            self._knobs.clear()
        elif self._knobs.pop(number, None) is None:
            return False
        self._sort()
        return True

    def _sort(self) -> None:
        self._of_frames = [knob for knob in self._knobs.values() if knob.fault.kind in OF_FRAMES]
        self._of_requests = [knob for knob in self._knobs.values() if knob.fault.kind not in OF_FRAMES]

    def shown(self) -> list[dict[str, object]]:
        """All that were set, those that are spent too."""
        return [knob.shown() for knob in self._knobs.values()]

    def of_request(self, dialect: str, what: str, client_order_id: str) -> Sequence[Fault]:
        """What hits this request: latencies, and at most one of the others, the oldest."""
        found: list[Fault] = []
        for fault in self._struck(self._of_requests, dialect, what, client_order_id=client_order_id):
            found.append(fault)
            if fault.kind != "latency":
                break
        return found

    def of_frame(self, dialect: str, kind: str, symbol: str) -> Fault | None:
        """What hits this frame: the oldest knob that does."""
        if not self._of_frames:
            return None
        return next(self._struck(self._of_frames, dialect, kind, symbol=symbol), None)

    @staticmethod
    def _struck(knobs: Sequence[Knob], dialect: str, what: str, *, client_order_id: str = "", symbol: str = "") -> Iterator[Fault]:
        for knob in knobs:
            fault = knob.fault
            if (
                fault.dialect in ("*", dialect)
                and fault.what in ("*", what)
                and fault.client_order_id in ("", client_order_id)
                and fault.symbol in ("", symbol)
                and knob.strikes()
            ):
                yield fault
