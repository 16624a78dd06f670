"""Which of the transitions of the order's life the simulations have gone through, counted where the executor makes them."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Final
from unittest.mock import patch

from libs.domain import orders
from libs.domain.orders import EVIDENCE, INTENTS, Evidence, Intent, Status, Step
from services.trade_executor import beliefs, dispatching, known, parents

ALL: Final = frozenset(f"{status} {what}" for status, what in [*EVIDENCE, *INTENTS])
"""Every pair of a status and an intent or evidence that the state machine knows."""

_ELSEWHERE: Final = {"PENDING_REPLACE", "REPLACE_UNKNOWN", "replace", "replaced", "replace_unclear", "replace_refused"}
NOT_YET: Final = frozenset(pair for pair in ALL if _ELSEWHERE & set(pair.split()))
"""Pairs of what these scenarios do not do: orders that are replaced."""


@contextmanager
def counting(seen: Counter[str]) -> Iterator[None]:
    """Counts while the body runs."""

    def after(status: Status, evidence: Evidence, filled: Decimal = Decimal(0)) -> Step:
        seen[f"{status} {evidence}"] += 1
        return orders.after(status, evidence, filled)

    def intend(status: Status, intent: Intent) -> Status:
        seen[f"{status} {intent}"] += 1
        return orders.intend(status, intent)

    def after_fill(status: Status, quantity: Decimal, filled: Decimal) -> Step:
        seen[f"{status} fill"] += 1
        return orders.after_fill(status, quantity, filled)

    with (
        patch.object(beliefs, "after", after),
        patch.object(beliefs, "after_fill", after_fill),
        patch.object(dispatching, "intend", intend),
        patch.object(known, "intend", intend),
        patch.object(parents, "intend", intend),
    ):
        yield


def never(seen: Counter[str]) -> list[str]:
    """Pairs that were not gone through."""
    return sorted(ALL - set(seen) - NOT_YET)
