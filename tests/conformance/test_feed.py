"""What every live feed must do, whatever venue is behind it. A new adapter adds a kind to feed_rigs.py."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.conformance.feed_checks import CHECKS
from tests.conformance.feed_rigs import KINDS, FeedRig, Kind, a_feed_rig
from tests.conformance.rigs import a_venue_for
from tests.sim_venues import SimVenue

Check = Callable[[FeedRig], Awaitable[None]]


@pytest.fixture(scope="module", params=KINDS)
async def place(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Kind, SimVenue]]:
    """One venue for all tests of an adapter."""
    async with a_venue_for(request.param) as venue:
        yield KINDS[request.param], venue


@pytest.fixture
async def rig(place: tuple[Kind, SimVenue]) -> AsyncIterator[FeedRig]:
    async with a_feed_rig(*place) as made:
        yield made


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.__name__))
async def test_a_live_feed(rig: FeedRig, check: Check) -> None:
    await check(rig)
