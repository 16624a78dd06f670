"""A01: a million messages that make no sense, no crash, and no order of one."""

import logging
import random
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.fuzzing import a_message, must_be_sound, verdict_on

MESSAGES = 1_000_000


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Each error inside a control is logged with its trace: a hundred thousand of them would be all that is measured."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def test_of_a_million_messages_none_crashes_the_gate_and_none_is_ordered_that_makes_no_sense() -> None:
    draw, kinds = random.Random(20260811), Counter[str]()
    for _ in range(MESSAGES):
        verdict = verdict_on(a_message(draw))
        kinds["no signal" if verdict is None else verdict.kind] += 1
        if verdict is not None:
            must_be_sound(verdict)
    assert sum(kinds.values()) == MESSAGES
    assert min(kinds["no signal"], kinds["REFUSED"], kinds["APPROVED"]) > 1_000
