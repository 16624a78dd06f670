"""A01: whatever is sent, there is an answer, and an order only of what is sound."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.quant.risk.assess import assess_all
from tests.factories import a_signal, a_view
from tests.fuzzing import LIMITS, a_message, must_be_sound, verdict_on

_NUMBERS = st.floats() | st.integers(-(2**70), 2**70) | st.booleans() | st.sampled_from([0.0, -0.0, 1.0, -1.0, 5e-324])


@given(st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_a_message_that_makes_no_sense_is_answered_and_never_ordered(draw: random.Random) -> None:
    verdict = verdict_on(a_message(draw))
    if verdict is not None:
        must_be_sound(verdict)


@given(_NUMBERS, _NUMBERS, _NUMBERS)
@settings(max_examples=300)
def test_numbers_that_are_none_are_refused_whoever_lets_them_in(target: float, confidence: float, price: float) -> None:
    [verdict] = assess_all([], [a_signal(target, confidence=confidence, reference_price=price)], a_view(), LIMITS)
    must_be_sound(verdict)


def test_what_is_sound_is_ordered() -> None:
    draw = random.Random(7)
    found = [verdict_on(a_message(draw)) for _ in range(2_000)]
    assert {verdict.kind for verdict in found if verdict is not None} >= {"APPROVED", "REFUSED"}
    assert any(verdict is None for verdict in found)
