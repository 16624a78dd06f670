import re
from collections.abc import Sequence
from decimal import Decimal
from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.orders import (
    AT_VENUE,
    EVIDENCE,
    INTENTS,
    OPEN,
    TERMINAL,
    Evidence,
    IllegalIntent,
    Intent,
    Status,
    Step,
    after,
    after_fill,
    intend,
)
from libs.store.open_orders import IS_OPEN

QUANTITY = Decimal(10)
Event = Evidence | Decimal
"""What a venue shows: evidence, or how much it has filled in all."""

LIVES: list[tuple[Event, ...]] = [
    (Evidence.ACCEPTED, Decimal(4), Decimal(10), Evidence.CANCEL_REFUSED, Evidence.ACCEPTED, Evidence.CANCELED),
    (Evidence.UNCLEAR, Evidence.ACCEPTED, Decimal(4), Evidence.CANCEL_UNCLEAR, Evidence.EXPIRED, Evidence.NOT_ACCEPTED),
    (Evidence.REJECTED, Decimal(4), Evidence.ACCEPTED, Evidence.NOT_SENT, Decimal(10), Evidence.EXPIRED),
]

ENDED = (Status.FILLED, Status.CANCELED, Status.EXPIRED)


def shown(status: Status, filled: Decimal, event: Event) -> tuple[Step, Decimal]:
    """One event taken in as the executor does: a cumulative quantity we have already booked says nothing new."""
    if isinstance(event, Evidence):
        return after(status, event, filled), filled
    if event <= filled:
        return Step(status, anomaly=False), filled
    return after_fill(status, QUANTITY, event), event


events = st.one_of(st.sampled_from(Evidence), st.integers(1, 12).map(Decimal))


@given(status=st.sampled_from(Status), life=st.lists(events, max_size=12))
def test_from_any_status_any_evidence_is_taken_and_a_filled_order_stays_filled(status: Status, life: Sequence[Event]) -> None:
    filled = QUANTITY if status is Status.FILLED else Decimal(0)
    for event in life:
        was = status
        step, filled = shown(status, filled, event)
        status = step.status
        assert was is not Status.FILLED or status is Status.FILLED
        assert (status is Status.FILLED) is (filled >= QUANTITY)


@pytest.mark.parametrize("life", LIVES, ids=["cancelled", "unclear", "rejected"])
def test_whatever_the_order_of_events_the_status_fits_the_fills(life: tuple[Event, ...]) -> None:
    for order in permutations(life):
        status, filled = Status.SUBMITTING, Decimal(0)
        for event in order:
            (status, _), filled = shown(status, filled, event)
            assert (status is Status.FILLED) is (filled >= QUANTITY), order
            if filled:  # a venue that has filled some of it has not refused it, and its remainder is not simply resting
                assert status not in (Status.REJECTED, Status.NOT_ACCEPTED, Status.DENIED, Status.ACKED, Status.SUBMITTING), order


@given(status=st.sampled_from(Status), evidence=st.sampled_from(Evidence))
def test_evidence_that_contradicts_what_we_believed_is_an_anomaly(status: Status, evidence: Evidence) -> None:
    expected = EVIDENCE.get((status, evidence))
    step = after(status, evidence)
    if expected is None:
        assert step.anomaly or step.status is status
    else:
        assert step == Step(expected, anomaly=False)


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_an_end_is_left_only_with_an_anomaly(status: Status) -> None:
    for evidence in Evidence:
        step = after(status, evidence)
        assert step.status is status or step.anomaly, evidence
    assert after_fill(status, QUANTITY, Decimal(4)).anomaly


@pytest.mark.parametrize("ended", [Status.CANCELED, Status.EXPIRED, Status.REJECTED, Status.NOT_ACCEPTED, Status.DENIED])
def test_an_ended_order_that_the_venue_shows_alive_is_reopened(ended: Status) -> None:
    assert after(ended, Evidence.ACCEPTED) == Step(Status.ACKED, anomaly=True)
    assert after(ended, Evidence.ACCEPTED, Decimal(4)) == Step(Status.PARTIAL, anomaly=True)


@pytest.mark.parametrize("ended", [Status.REJECTED, Status.NOT_ACCEPTED, Status.DENIED])
def test_a_fill_proves_a_refusal_wrong(ended: Status) -> None:
    assert after_fill(ended, QUANTITY, Decimal(4)) == Step(Status.PARTIAL, anomaly=True)


@pytest.mark.parametrize("ended", [Status.CANCELED, Status.EXPIRED])
def test_a_late_partial_fill_does_not_bring_the_rest_back(ended: Status) -> None:
    assert after_fill(ended, QUANTITY, Decimal(4)) == Step(ended, anomaly=True)


@pytest.mark.parametrize("status", [Status.PARTIAL, Status.PENDING_CANCEL, Status.CANCEL_UNKNOWN, Status.CANCELED, Status.EXPIRED])
def test_what_has_fills_was_not_rejected_but_its_rest_is_gone(status: Status) -> None:
    assert after(status, Evidence.REJECTED, Decimal(4)) == Step(Status.CANCELED, anomaly=True)


def test_a_fill_beyond_the_quantity_is_booked_as_an_anomaly() -> None:
    assert after_fill(Status.PARTIAL, QUANTITY, Decimal(11)) == Step(Status.FILLED, anomaly=True)
    assert after_fill(Status.PARTIAL, QUANTITY, Decimal(10)) == Step(Status.FILLED, anomaly=False)


@pytest.mark.parametrize("status", [Status.PENDING_CANCEL, Status.CANCEL_UNKNOWN])
def test_a_partial_fill_does_not_answer_a_cancel(status: Status) -> None:
    assert after_fill(status, QUANTITY, Decimal(4)) == Step(status, anomaly=False)


@pytest.mark.parametrize("intent", Intent)
def test_no_intent_of_ours_leads_out_of_unknown(intent: Intent) -> None:
    with pytest.raises(IllegalIntent, match=f"cannot {intent} an order that is UNKNOWN"):
        intend(Status.UNKNOWN, intent)


@pytest.mark.parametrize("evidence", [Evidence.UNCLEAR, Evidence.NOT_SENT, Evidence.CANCEL_UNCLEAR, Evidence.CANCEL_REFUSED])
def test_evidence_that_settles_nothing_leaves_unknown_as_it_is(evidence: Evidence) -> None:
    assert after(Status.UNKNOWN, evidence).status is Status.UNKNOWN


@pytest.mark.parametrize("status", ENDED)
@pytest.mark.parametrize("evidence", [Evidence.CANCEL_REFUSED, Evidence.CANCEL_UNCLEAR])
def test_a_cancel_that_came_too_late_contradicts_nothing(status: Status, evidence: Evidence) -> None:
    assert after(status, evidence, QUANTITY) == Step(status, anomaly=False)


@pytest.mark.parametrize(("status", "intent"), [pair for pair in product(Status, Intent) if pair not in INTENTS])
def test_an_intent_that_makes_no_sense_is_refused(status: Status, intent: Intent) -> None:
    with pytest.raises(IllegalIntent):
        intend(status, intent)


@pytest.mark.parametrize(("status", "intent"), list(INTENTS))
def test_an_intent_that_makes_sense_leads_on(status: Status, intent: Intent) -> None:
    assert intend(status, intent) is INTENTS[status, intent]


def test_nothing_is_intended_with_an_order_that_has_ended_and_no_status_is_forgotten() -> None:
    assert {status for status, _ in INTENTS} <= OPEN
    assert OPEN | TERMINAL == set(Status)
    assert {status for status, _ in EVIDENCE} == AT_VENUE | set(ENDED)


def test_the_record_counts_as_open_what_is_open() -> None:
    assert set(re.findall(r"'(\w+)'", IS_OPEN)) == OPEN
