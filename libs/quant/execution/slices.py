"""What a parent order does next: the one function that trade_executor and the backtester work large orders with. Pure.

A parent is never at the venue itself; its slices are, one at a time, each an ordinary order within the parent's own limit
price. What the next slice is follows from the parent, its slices as the record has them, and market time alone, so that it
is the same after a restart. The rules in words: docs/execution.md.

Sources: equal slices at equal intervals (TWAP) and slices in proportion to the expected volume of the interval (VWAP) are
the schedules of Kissell, "The Science of Algorithmic Trading and Portfolio Management" (2013), ch. 1 and 5, and of Berkowitz,
Logue and Noser, "The Total Cost of Transactions on the NYSE", Journal of Finance 43 (1988), for VWAP as a benchmark. An
iceberg shows a fixed part of its quantity and shows the next when that is traded, as exchanges' own do (Esser and Moench,
"The navigation of an iceberg", Finance Research Letters 4, 2007).
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from libs.domain.executions import Execution
from libs.domain.identity import SLICES
from libs.domain.orders import OPEN, Intent, Status

REFUSALS: Final = 3
"""So many slices refused in a row, and the parent ends: a fourth would be refused too."""

_REFUSED: Final = frozenset({Status.REJECTED, Status.NOT_ACCEPTED})


class Slice(NamedTuple):
    """A child of the parent, as far as it has come."""

    n: int
    status: Status
    lots: int
    filled: int


class Parent(NamedTuple):
    """An order that is worked. Times are market ns."""

    execution: Execution
    lots: int
    display: int  # lots that an iceberg shows
    least: int  # lots below which the venue takes no order at the parent's price
    starts_at: int
    expires_at: int


class Send(NamedTuple):
    """The next slice. It is the parent's n-th, whoever works it out and however often."""

    n: int
    lots: int
    expires_at: int


class Stop(NamedTuple):
    """Slices are open that have to be canceled before the parent can end."""

    why: str


class Over(NamedTuple):
    """The parent ends by this intent of ours: FINISH, EXPIRE_UNSENT or DENY."""

    intent: Intent
    why: str


Next = Send | Stop | Over


def next_step(parent: Parent, slices: Sequence[Slice], now: int, weights: Sequence[int], *, unwanted: bool = False) -> Next | None:
    """What is to be done now; None: nothing before time passes or something becomes known.

    An open slice counts whole, one whose outcome is unknown among them: together they never exceed the parent. While one is
    open there is no other, so one that is unknown holds the parent up.

    Args:
        slices: all that have been made, in any order.
        weights: of the schedule's slices, as `even` or a volume profile has them; nothing of an iceberg.
        unwanted: somebody wants the parent gone.
    """
    made = sorted(slices)
    if sum(s.filled for s in made) >= parent.lots:
        return None  # the fill that did it has ended the parent
    open_ = any(s.status in OPEN for s in made)
    ends = _ends(parent, made, now, unwanted)
    if ends is not None:
        if not open_:
            return ends
        return Stop(ends.why) if ends.intent is not Intent.EXPIRE_UNSENT else None  # its slices end with it by themselves
    if open_:
        return None
    left = parent.lots - sum(s.filled for s in made)
    return _iceberg(parent, made, left) if parent.execution.kind == "iceberg" else _scheduled(parent, made, left, now, weights)


def even(slices: int) -> tuple[int, ...]:
    """Weights of slices of one size."""
    return (1,) * slices


def due_at(parent: Parent, n: int) -> int:
    """When the n-th slice of a schedule is due: equal intervals from the parent's start; market ns."""
    return parent.starts_at + parent.execution.takes_ns * n // parent.execution.slices


def wakes_at(parent: Parent, now: int) -> int:
    """The next moment after `now` at which time alone may change what is to be done: a slice is due, or the parent's time is over."""
    if parent.execution.kind != "iceberg":
        n = _slot(parent, now) + 1
        due = due_at(parent, n) if now >= parent.starts_at else parent.starts_at
        if n < parent.execution.slices and due < parent.expires_at:
            return due
    return parent.expires_at


def _ends(parent: Parent, made: Sequence[Slice], now: int, unwanted: bool) -> Over | None:
    filled = any(s.filled for s in made)
    refused = Intent.FINISH if filled else Intent.DENY  # what has fills was not denied: its rest is gone
    if unwanted:
        return Over(Intent.FINISH, "no longer wanted")
    if made and made[-1].status is Status.DENIED:
        return Over(refused, f"slice {made[-1].n} was denied here, and the next would be too")
    if len(made) >= REFUSALS and all(s.status in _REFUSED and not s.filled for s in made[-REFUSALS:]):
        return Over(refused, f"{REFUSALS} slices in a row were refused")
    if now >= parent.expires_at:
        return Over(Intent.EXPIRE_UNSENT, "its time is over")
    return None


def _scheduled(parent: Parent, made: Sequence[Slice], left: int, now: int, weights: Sequence[int]) -> Next | None:
    last = parent.execution.slices - 1
    if made and made[-1].n >= last:
        return Over(Intent.EXPIRE_UNSENT, "its last slice has ended")
    n = _slot(parent, now)
    if made and n <= made[-1].n:
        return None
    lots = left if n == last else parent.lots * sum(weights[: n + 1]) // sum(weights) - (parent.lots - left)
    if lots <= 0 or (lots < parent.least and n < last):
        return None
    if 0 < left - lots < parent.least:
        lots = left  # what would remain is too little to be an order of its own
    return Send(n, lots, parent.expires_at if n == last else min(due_at(parent, n + 1), parent.expires_at))


def _slot(parent: Parent, now: int) -> int:
    """The slice that is due: what earlier ones left, or were never sent for, is in it."""
    slices = parent.execution.slices
    n = max(0, min(slices - 1, (now - parent.starts_at) * slices // parent.execution.takes_ns))
    return n + 1 if n < slices - 1 and due_at(parent, n + 1) <= now else n  # where an interval is no whole number of ns


def _iceberg(parent: Parent, made: Sequence[Slice], left: int) -> Next | None:
    if made and made[-1].status in (Status.CANCELED, Status.EXPIRED):
        return Over(Intent.FINISH, f"slice {made[-1].n} was ended at the venue")
    n = made[-1].n + 1 if made else 0
    if n >= SLICES:
        return Over(Intent.FINISH, f"it has had {SLICES} slices: what it shows is too little for its size")
    lots = min(left, max(parent.display, parent.least))
    if 0 < left - lots < parent.least:
        lots = left
    return Send(n, lots, parent.expires_at)
