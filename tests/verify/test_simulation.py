"""Hundreds of simulated worlds hold every invariant, and every planted bug is found in a few of them."""

import pytest

from tests.chaos.simulation.bugs import BUGS, planted
from tests.chaos.simulation.run import run

WORLDS = 500
FOUND_WITHIN = 600
"""Simulations: half of the bugs are found in the first ten, the last of them in the 64th where this was measured."""


def test_five_hundred_worlds_hold_every_invariant() -> None:
    found = run(range(10_000, 10_000 + WORLDS))
    assert found.broken == []
    assert found.runs == WORLDS


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str) -> None:
    with planted(name):
        found = run(range(FOUND_WITHIN), harsh=True, stop_at_first=True)
    assert found.broken, f"{name!r} was not found in {found.runs} worlds"


def test_without_a_bug_the_harsh_worlds_hold_too() -> None:
    assert run(range(FOUND_WITHIN), harsh=True).broken == []
