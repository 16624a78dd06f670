"""sim_venue is killed twenty times under load, with each of some seeds."""

from pathlib import Path

import pytest

from tests.faults.test_sim_venue_kills import check_kills


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_nothing_that_was_answered_is_lost_in_twenty_kills(tmp_path: Path, seed: int) -> None:
    assert await check_kills(tmp_path, kills=20, seed=seed) > 500
