"""Judges what a fleet left behind: its record against the venue's own log, which alone is believed.

L  no approved order is lost in silence: it is at the venue, or ended with a reason, or UNKNOWN with an alert
D  no leg has two orders at the venue, no request went out without its intent on record, none twice
F  every fill of the venue is booked once, as it was, and nothing else is
B  the ledger balances to the last digit, and cash and positions are those of the venue
R  no limit was exceeded at any instant, orders of unknown outcome counted
S  streams are gapless, cursors within them, and every order's story is one that the state machine can tell
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

import psycopg

from libs.common.settings import from_toml
from libs.domain.configuration import LimitConfig, RiskConfig
from tests.chaos.exits_reduce import grown
from tests.chaos.fills_booked import misbooked
from tests.chaos.findings import LETTERS, Finding
from tests.chaos.ledger_exact import difference, unbalanced
from tests.chaos.limits_held import exceeded
from tests.chaos.orders_doubled import doubled
from tests.chaos.orders_lost import lost
from tests.chaos.record import Record, read_record
from tests.chaos.sends_stopped import sent_too_late
from tests.chaos.streams_whole import broken
from tests.chaos.venues import VenueHistory

CONFIG: Final = Path(__file__).parents[2] / "config"


class Verdict(NamedTuple):
    """What was found; sound when there is no sentence."""

    counts: dict[str, int]  # of sentences, for each of LDFBRS
    sentences: list[str]  # each begins with the letter of the invariant that it breaks
    orders: int  # that venues took
    lost: int  # orders, signals and messages that sentences of L are about
    duplicated: int  # orders and legs that sentences of D are about
    ledger_difference: Decimal  # sum of absolute differences between the ledger and the venues, in whatever unit


def judged(connection: psycopg.Connection[Any], venues: Mapping[str, VenueHistory], limits: Sequence[LimitConfig] | None = None) -> Verdict:
    """Judges a record that nothing writes to any more.

    Args:
        venues: what the venues' own logs say, by account id: see `tests.chaos.venues`.
        limits: that held; None: those of config/risk.toml.

    Raises:
        ValueError: an account has sent orders, and there is no log of its venue to judge by.
    """
    return judge(read_record(connection), venues, limits)


def judge(record: Record, venues: Mapping[str, VenueHistory], limits: Sequence[LimitConfig] | None = None) -> Verdict:
    """As `judged`, of a record that was read."""
    venues = _ours(record, venues)
    if limits is None:
        limits = from_toml(RiskConfig, CONFIG, "risk", "development").limit
    found: list[Finding] = [
        *lost(record, venues),
        *doubled(record, venues),
        *misbooked(record, venues),
        *unbalanced(record, venues),
        *exceeded(record, limits),
        *sent_too_late(record, venues),
        *grown(record, venues),
        *broken(record),
    ]
    counts = Counter(finding.letter for finding in found)
    return Verdict(
        counts={letter: counts[letter] for letter in LETTERS},
        sentences=[str(finding) for finding in found],
        orders=sum(len(history.taken) for history in venues.values()),
        lost=len({finding.about for finding in found if finding.letter == "L"}),
        duplicated=len({finding.about for finding in found if finding.letter == "D"}),
        ledger_difference=difference(record, venues),
    )


def _ours(record: Record, venues: Mapping[str, VenueHistory]) -> dict[str, VenueHistory]:
    """What venues say of the record's accounts; they have others too."""
    found = {account.account_id: venues[account.account_id] for account in record.accounts if account.account_id in venues}
    sent = {attempt.order_id for attempt in record.attempts}
    unseen = {order.account_id for order in record.orders if order.order_id in sent} - found.keys()
    if unseen:
        raise ValueError(
            f"expected the log of the venue of {', '.join(sorted(unseen))}, got those of {', '.join(sorted(venues)) or 'nobody'}"
        )
    return found
