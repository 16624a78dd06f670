"""Named moments of the order path at which tests wound a process. In production a moment is a function call that does nothing.

What is done there is installed from outside by the tests' own start-up (tests/chaos); no setting of ours reaches it.
"""

from collections.abc import Callable
from typing import Literal

CrashPoint = Literal[
    "CP01",  # strategy_engine, before the commit of a signal
    "CP02",  # after it, and before its bell
    "CP03",  # any stage: committed, the bell not rung
    "CP04",  # rung, the consumer's cursor not moved
    "CP05",  # risk_manager has read a signal
    "CP06",  # within the transaction of an approval
    "CP07",  # approval committed
    "CP08",  # SUBMITTING committed, not connected
    "CP09",  # connected, nothing written
    "CP10",  # half of the request written
    "CP11",  # the request written whole, no answer yet
    "CP12",  # answered, not recorded
    "CP13",  # within the transaction that records the answer
    "CP14",  # a fill has come, and is not booked
    "CP15",  # within the transaction that books it
    "CP16",  # booked, its bells not rung
    "CP17",  # a cancel written, no answer
    "CP18",  # a replacement written, no answer
    "CP19",  # within the repair of a difference
    "CP20",  # a lease taken, nothing reconciled
    "CP21",  # kill switch committed, nothing cancelled
    "CP22",  # some of the cancels sent
    "CP23",  # within a migration
    "CP24",  # a key changed under way
]

_wound: Callable[[CrashPoint], None] | None = None


def reached(point: CrashPoint) -> None:
    """The process is at this moment."""
    if _wound is not None:
        _wound(point)


def install(wound: Callable[[CrashPoint], None] | None) -> None:
    """What tests do at these moments: it may kill, stop or delay the process, or raise."""
    global _wound
    _wound = wound
