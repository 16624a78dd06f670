"""Every adapter of a remote venue under every fault that the venue can be told to have."""

from collections.abc import AsyncIterator
from itertools import count

import pytest

from tests.conformance.broker_faults import CHECKS
from tests.conformance.rigs import REMOTE, RemoteRig, a_remote_rig, a_venue_for
from tests.sim_venues import SimVenue

_accounts = count(1)


@pytest.fixture(scope="module", params=REMOTE)
async def place(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, SimVenue]]:
    kind: str = request.param
    async with a_venue_for(kind) as venue:
        yield kind, venue


@pytest.fixture
async def rig(place: tuple[str, SimVenue]) -> AsyncIterator[RemoteRig]:
    kind, venue = place
    async with a_remote_rig(kind, venue, f"faulty{next(_accounts)}") as made:
        yield made


@pytest.mark.parametrize("name", CHECKS)
async def test_under_a_fault(rig: RemoteRig, name: str) -> None:
    await CHECKS[name](rig)
