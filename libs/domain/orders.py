"""Orders and the one state machine they live by.

Evidence always wins: what the venue shows is taken over whatever we believed, and an ended order may be reopened by
it, as an anomaly. Only our own intents are refused when they make no sense. `UNKNOWN` has no way out but evidence.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Final, Literal, NamedTuple
from uuid import UUID

import msgspec

Side = Literal["buy", "sell"]
OrderType = Literal["limit", "market", "stop", "stop_limit", "trailing_stop"]
TimeInForce = Literal["GTD", "GTC", "DAY", "IOC", "FOK"]
VenueStatus = Literal["open", "filled", "canceled", "expired", "rejected"]
Purpose = Literal["signal", "slice", "stop", "target", "liquidation", "external"]
"""Why there is an order: a strategy's target, a part of a larger order, the protection of a position (stop and target),
the emergency exit of a book, or somebody else's hand at our account."""

PROTECTIVE: Final = frozenset[Purpose]({"stop", "target"})
"""Purposes of orders that stand beside a position as long as it is there."""


class Status(StrEnum):
    """Where an order stands, as far as the evidence goes."""

    APPROVED = "APPROVED"
    WORKING = "WORKING"  # never at the venue itself: its children are
    SUBMITTING = "SUBMITTING"
    UNKNOWN = "UNKNOWN"
    ACKED = "ACKED"
    PARTIAL = "PARTIAL"
    PENDING_CANCEL = "PENDING_CANCEL"
    CANCEL_UNKNOWN = "CANCEL_UNKNOWN"
    PENDING_REPLACE = "PENDING_REPLACE"
    REPLACE_UNKNOWN = "REPLACE_UNKNOWN"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    NOT_ACCEPTED = "NOT_ACCEPTED"
    DENIED = "DENIED"


TERMINAL: Final = frozenset({Status.FILLED, Status.CANCELED, Status.REJECTED, Status.EXPIRED, Status.NOT_ACCEPTED, Status.DENIED})
OPEN: Final = frozenset(Status) - TERMINAL
AT_VENUE: Final = OPEN - {Status.APPROVED, Status.WORKING}
"""Statuses in which a venue may hold the order."""


class Intent(StrEnum):
    """What we want to do next; refused when the order cannot."""

    SUBMIT = "submit"
    WORK = "work"
    CANCEL = "cancel"
    REPLACE = "replace"
    DENY = "deny"
    EXPIRE_UNSENT = "expire_unsent"
    FINISH = "finish"  # a parent whose slices have ended, with something unfilled


class Evidence(StrEnum):
    """What is known to have happened."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    UNCLEAR = "unclear"
    CANCEL_UNCLEAR = "cancel_unclear"
    CANCEL_REFUSED = "cancel_refused"
    REPLACED = "replaced"
    REPLACE_UNCLEAR = "replace_unclear"
    REPLACE_REFUSED = "replace_refused"
    CANCELED = "canceled"
    EXPIRED = "expired"
    NOT_ACCEPTED = "not_accepted"


class Exits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Orders that protect a position from the moment it is filled, each cancelling the other; bps of its average cost."""

    stop_bps: float = 0.0  # a stop this much against us
    target_bps: float = 0.0  # a limit this much for us
    trail_bps: float = 0.0  # a trailing stop at this distance, in place of the plain one

    def __post_init__(self) -> None:
        """ValueError: a distance at which no order can stand; the message says which."""
        for name, most in (("stop_bps", 10_000), ("target_bps", 1_000_000), ("trail_bps", 10_000)):
            if not 0 <= getattr(self, name) < most:
                raise ValueError(f"Expected a number of 0 or more and below {most} in field `{name}`, got {getattr(self, name)}")

    @property
    def any(self) -> bool:
        return bool(self.stop_bps or self.target_bps or self.trail_bps)

    @property
    def stop(self) -> float:
        """How far against us a stop stands at most, a share of the price; 0: none does. A trailing stop takes the plain one's place."""
        return (self.trail_bps or self.stop_bps) / 10_000


class Order(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An order that risk_manager has approved. Quantity is positive; times are market time in nanoseconds."""

    order_id: UUID
    client_order_id: str
    account_id: str
    venue: str
    session_id: str
    strategy_id: str
    symbol: str
    signal_id: UUID
    leg: int
    side: Side
    order_type: OrderType
    quantity: Decimal
    price: Decimal | None  # limit price; None for a market order
    time_in_force: TimeInForce
    decided_at: int  # end (and grace) of the decided bar: latency counts from here
    valid_until: int  # never sent after this
    expires_at: int  # the venue ends it here
    stop_price: Decimal | None = None  # of stop orders: what triggers them; of a trailing stop where it begins
    trail: Decimal | None = None  # of a trailing stop: how far it keeps from the best price seen
    oco: str = ""  # orders of one name cancel each other: when one fills or triggers the others end
    purpose: Purpose = "signal"
    parent_id: UUID | None = None  # the approved order that this one is a child of, bounded by it
    replaces: UUID | None = None  # the order whose place at the venue this one takes
    reduce_only: bool = False  # sent only while it can but bring its book nearer to zero
    execution: str = ""  # how a large order is worked (`twap:60s:6`); "": sent as it is
    protect: Exits | None = None  # of an entry: what the venue is to hold against the position it makes


class VenueOrder(NamedTuple):
    """The venue's own view of an order."""

    client_order_id: str
    symbol: str
    status: VenueStatus
    quantity: Decimal
    filled: Decimal
    terms: "VenueTerms | None" = None  # what else the venue says of it; None: nothing that we would not know ourselves


class VenueTerms(NamedTuple):
    """What has to be known of an order that we did not make, to take it into the record."""

    side: Side
    order_type: OrderType
    price: Decimal | None
    stop_price: Decimal | None = None


class CancelRequest(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Risk wants this order gone; the answer is the order's own evidence."""

    order_id: UUID
    account_id: str
    reason: str


class OrderEvent(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One step in an order's life, with what it rests on."""

    order_id: UUID
    account_id: str
    strategy_id: str
    symbol: str
    n: int  # counts the events of the order from 1
    event: str
    status: Status
    filled_quantity: Decimal
    anomaly: bool
    detail: str
    market_time: int


class Step(NamedTuple):
    """Outcome of evidence: the new status, and whether it contradicts what we believed."""

    status: Status
    anomaly: bool


class IllegalIntent(ValueError):
    """We asked of an order what its status does not allow; nothing was sent."""


_S, _E = Status, Evidence

INTENTS: Final[dict[tuple[Status, Intent], Status]] = {
    (_S.APPROVED, Intent.SUBMIT): _S.SUBMITTING,
    (_S.APPROVED, Intent.WORK): _S.WORKING,
    (_S.APPROVED, Intent.DENY): _S.DENIED,
    (_S.APPROVED, Intent.EXPIRE_UNSENT): _S.EXPIRED,
    (_S.APPROVED, Intent.CANCEL): _S.CANCELED,
    (_S.WORKING, Intent.CANCEL): _S.WORKING,  # its slices are canceled first, and may fill until they are
    (_S.WORKING, Intent.FINISH): _S.CANCELED,
    (_S.WORKING, Intent.EXPIRE_UNSENT): _S.EXPIRED,
    (_S.WORKING, Intent.DENY): _S.DENIED,
    (_S.ACKED, Intent.CANCEL): _S.PENDING_CANCEL,
    (_S.PARTIAL, Intent.CANCEL): _S.PENDING_CANCEL,
    (_S.CANCEL_UNKNOWN, Intent.CANCEL): _S.PENDING_CANCEL,
    (_S.ACKED, Intent.REPLACE): _S.PENDING_REPLACE,
    (_S.PARTIAL, Intent.REPLACE): _S.PENDING_REPLACE,
    (_S.REPLACE_UNKNOWN, Intent.CANCEL): _S.PENDING_CANCEL,
}

EVIDENCE: Final[dict[tuple[Status, Evidence], Status]] = {
    (_S.SUBMITTING, _E.ACCEPTED): _S.ACKED,
    (_S.SUBMITTING, _E.REJECTED): _S.REJECTED,
    (_S.SUBMITTING, _E.NOT_SENT): _S.NOT_ACCEPTED,
    (_S.SUBMITTING, _E.UNCLEAR): _S.UNKNOWN,
    (_S.SUBMITTING, _E.CANCELED): _S.CANCELED,
    (_S.SUBMITTING, _E.EXPIRED): _S.EXPIRED,
    (_S.UNKNOWN, _E.ACCEPTED): _S.ACKED,
    (_S.UNKNOWN, _E.REJECTED): _S.REJECTED,
    (_S.UNKNOWN, _E.CANCELED): _S.CANCELED,
    (_S.UNKNOWN, _E.EXPIRED): _S.EXPIRED,
    (_S.UNKNOWN, _E.NOT_ACCEPTED): _S.NOT_ACCEPTED,
    (_S.UNKNOWN, _E.UNCLEAR): _S.UNKNOWN,
    (_S.ACKED, _E.ACCEPTED): _S.ACKED,
    (_S.ACKED, _E.CANCELED): _S.CANCELED,
    (_S.ACKED, _E.EXPIRED): _S.EXPIRED,
    (_S.PARTIAL, _E.ACCEPTED): _S.PARTIAL,
    (_S.PARTIAL, _E.CANCELED): _S.CANCELED,
    (_S.PARTIAL, _E.EXPIRED): _S.EXPIRED,
    (_S.PENDING_CANCEL, _E.ACCEPTED): _S.PENDING_CANCEL,
    (_S.PENDING_CANCEL, _E.CANCELED): _S.CANCELED,
    (_S.PENDING_CANCEL, _E.EXPIRED): _S.EXPIRED,
    (_S.PENDING_CANCEL, _E.CANCEL_UNCLEAR): _S.CANCEL_UNKNOWN,
    (_S.PENDING_CANCEL, _E.CANCEL_REFUSED): _S.CANCEL_UNKNOWN,  # a refused cancel means "look it up", nothing else
    (_S.CANCEL_UNKNOWN, _E.ACCEPTED): _S.ACKED,
    (_S.CANCEL_UNKNOWN, _E.CANCELED): _S.CANCELED,
    (_S.CANCEL_UNKNOWN, _E.EXPIRED): _S.EXPIRED,
    (_S.CANCEL_UNKNOWN, _E.CANCEL_UNCLEAR): _S.CANCEL_UNKNOWN,
    (_S.CANCEL_UNKNOWN, _E.CANCEL_REFUSED): _S.CANCEL_UNKNOWN,
    (_S.PENDING_REPLACE, _E.ACCEPTED): _S.PENDING_REPLACE,
    (_S.PENDING_REPLACE, _E.REPLACED): _S.CANCELED,
    (_S.PENDING_REPLACE, _E.CANCELED): _S.CANCELED,
    (_S.PENDING_REPLACE, _E.EXPIRED): _S.EXPIRED,
    (_S.PENDING_REPLACE, _E.REPLACE_UNCLEAR): _S.REPLACE_UNKNOWN,
    (_S.PENDING_REPLACE, _E.REPLACE_REFUSED): _S.REPLACE_UNKNOWN,  # as of a cancel: look it up
    (_S.REPLACE_UNKNOWN, _E.ACCEPTED): _S.ACKED,
    (_S.REPLACE_UNKNOWN, _E.REPLACED): _S.CANCELED,
    (_S.REPLACE_UNKNOWN, _E.CANCELED): _S.CANCELED,
    (_S.REPLACE_UNKNOWN, _E.EXPIRED): _S.EXPIRED,
    (_S.REPLACE_UNKNOWN, _E.REPLACE_UNCLEAR): _S.REPLACE_UNKNOWN,
    (_S.REPLACE_UNKNOWN, _E.REPLACE_REFUSED): _S.REPLACE_UNKNOWN,
    (_S.ACKED, _E.REPLACED): _S.CANCELED,  # the stream was faster than the answer, or the intent was not ours to remember
    (_S.PARTIAL, _E.REPLACED): _S.CANCELED,
    (_S.PENDING_CANCEL, _E.REPLACED): _S.CANCELED,
    (_S.CANCEL_UNKNOWN, _E.REPLACED): _S.CANCELED,
    (_S.CANCELED, _E.REPLACED): _S.CANCELED,
    (_S.EXPIRED, _E.REPLACED): _S.EXPIRED,
    # Asked for one thing, the venue did the other, or had not done the first when it was asked for the second.
    (_S.ACKED, _E.REPLACE_REFUSED): _S.ACKED,
    (_S.PARTIAL, _E.REPLACE_REFUSED): _S.PARTIAL,
    (_S.ACKED, _E.REJECTED): _S.REJECTED,  # taken, and turned down by what stood behind the venue's door: a replacement too late
    # A cancel that met an order at its end: the refusal agrees with what is known, and a lost answer is not missed.
    **{
        (end, answer): end
        for end in (_S.FILLED, _S.CANCELED, _S.EXPIRED)
        for answer in (_E.CANCEL_REFUSED, _E.CANCEL_UNCLEAR, _E.REPLACE_REFUSED, _E.REPLACE_UNCLEAR)
    },
    # The venue has told of the order before its answer was lost: nothing is missed.
    **{
        (told, _E.UNCLEAR): told
        for told in (
            _S.ACKED,
            _S.PARTIAL,
            _S.PENDING_CANCEL,
            _S.CANCEL_UNKNOWN,
            _S.PENDING_REPLACE,
            _S.REPLACE_UNKNOWN,
            _S.FILLED,
            _S.CANCELED,
            _S.EXPIRED,
        )
    },
}
"""What evidence makes of a status, where the two agree. Everything else is an anomaly: see `after`."""

_REOPENED: Final = {
    _E.ACCEPTED: _S.ACKED,
    _E.CANCELED: _S.CANCELED,
    _E.REPLACED: _S.CANCELED,
    _E.EXPIRED: _S.EXPIRED,
    _E.REJECTED: _S.REJECTED,
}


def intend(status: Status, intent: Intent) -> Status:
    """The status our intent leads to.

    Raises:
        IllegalIntent: the order cannot do that now.
    """
    try:
        return INTENTS[status, intent]
    except KeyError:
        raise IllegalIntent(f"cannot {intent} an order that is {status}") from None


def after(status: Status, evidence: Evidence, filled: Decimal = Decimal(0)) -> Step:
    """The status after evidence from the venue, `filled` being what it has filled so far. Never raises.

    An order that had ended and is shown alive is reopened; one that had ended otherwise keeps its first end unless
    the venue contradicts it with a positive statement. Both are anomalies. FILLED is never undone, and what has fills
    was not rejected: its rest is gone.
    """
    known = EVIDENCE.get((status, evidence))
    if known is not None:
        return Step(_live(known, filled), anomaly=False)
    if status is Status.FILLED or evidence not in _REOPENED:
        return Step(status, anomaly=evidence is not Evidence.ACCEPTED)
    shown = _live(_REOPENED[evidence], filled)
    if shown is Status.REJECTED and filled:
        return Step(Status.CANCELED, anomaly=True)
    return Step(shown, anomaly=shown is not status)


def _live(status: Status, filled: Decimal) -> Status:
    return Status.PARTIAL if status is Status.ACKED and filled else status


def after_fill(status: Status, quantity: Decimal, filled: Decimal) -> Step:
    """The status once `filled` in all of `quantity` is known to be filled (both positive, same unit).

    A fill is booked whatever the status. After an end it is an anomaly: a partial one leaves CANCELED and EXPIRED as
    they are (the rest is still gone), but proves REJECTED, NOT_ACCEPTED and DENIED wrong.
    """
    if filled >= quantity:
        return Step(Status.FILLED, anomaly=filled > quantity or status in TERMINAL - {Status.FILLED})
    if status in (Status.CANCELED, Status.EXPIRED, Status.FILLED):
        return Step(status, anomaly=True)
    if status in (Status.PENDING_CANCEL, Status.CANCEL_UNKNOWN, Status.PENDING_REPLACE, Status.REPLACE_UNKNOWN):
        return Step(status, anomaly=False)
    return Step(Status.PARTIAL, anomaly=status in TERMINAL or status is Status.APPROVED)


def after_child_fill(status: Status, quantity: Decimal, filled: Decimal) -> Step:
    """The status of a parent once its slices have filled `filled` in all of `quantity`. As `after_fill`, but a parent is never
    at the venue: one that had ended stays so, and one that was denied was not, only its rest is gone."""
    if filled >= quantity:
        return Step(Status.FILLED, anomaly=filled > quantity or status in TERMINAL - {Status.FILLED})
    if status is Status.WORKING:
        return Step(status, anomaly=False)
    return Step(Status.CANCELED if status is Status.DENIED else status, anomaly=True)
