"""Judges what a fleet left behind: its record against the venue's own log, which alone is believed.

L  no approved order is lost in silence: it is at the venue, or ended with a reason, or UNKNOWN with an alert
D  no leg has two orders at the venue, no request went out without its intent on record, none twice
F  every fill of the venue is booked once, as it was, and nothing else is
B  the ledger balances to the last digit, and cash and positions are those of the venue
R  no limit was exceeded at any instant, orders of unknown outcome counted
S  streams are gapless, cursors within them, and every order's story is one that the state machine can tell
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

import psycopg

from tests.chaos.venues import VenueHistory

LETTERS: Final = "LDFBRS"


class Verdict(NamedTuple):
    """What was found. Sound when there is no sentence."""

    counts: dict[str, int]  # of sentences, for each of LDFBRS
    sentences: list[str]  # each begins with the letter of the invariant it breaks
    orders: int  # that venues took
    lost: int  # orders lost: those that a sentence of L is about
    duplicated: int  # orders that a sentence of D is about
    ledger_difference: Decimal  # sum of absolute differences between the ledger and the venues, whatever the unit


def judged(connection: psycopg.Connection[Any], venues: Mapping[str, VenueHistory]) -> Verdict:
    """Judges a record that nothing writes to any more.

    Args:
        venues: what the venue's own log says, by account id: see `tests.chaos.venues`.
    """
    raise NotImplementedError
