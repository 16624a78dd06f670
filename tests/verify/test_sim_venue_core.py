"""Ten thousand generated days at the simulated venue. Shorter ones are in tests/unit/test_sim_venue_scenarios.py."""

import pytest

from tests.venue_witness import first_wrong

BLOCK = 500


@pytest.mark.parametrize("block", range(20))
def test_what_must_hold_holds_in_ten_thousand_scenarios(block: int) -> None:
    assert first_wrong(range(1_000 + block * BLOCK, 1_000 + (block + 1) * BLOCK)) is None
