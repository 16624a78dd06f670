"""Answers that come later than anybody waits, and requests that are looked at only then: five seconds each, so not in `make test`."""

import pytest

from tests.conformance.broker_faults import is_there, outcome, posts
from tests.conformance.rigs import REMOTE, a_remote_rig, a_venue_for, eventually
from tests.paper import NEVER_LATE

LONGER_THAN_ANYBODY_WAITS_S = 6.0


@pytest.mark.parametrize("kind", REMOTE)
@pytest.mark.parametrize("fault", ["late_answer", "latency"])
async def test_an_order_that_is_not_answered_in_time_is_unknown_sent_once_and_found(kind: str, fault: str) -> None:
    async with a_venue_for(kind) as venue, a_remote_rig(kind, venue, f"slow_{fault}") as rig:
        await venue.fault(fault, what="order_submit", seconds=LONGER_THAN_ANYBODY_WAITS_S)
        assert await outcome(rig.broker.submit(rig.order(), NEVER_LATE)) == "OutcomeUnknown"
        await eventually(lambda: is_there(rig), lambda: "the venue never took it")
        assert await posts(rig) == 1
        found = await rig.broker.find(rig.order().client_order_id)
        assert found is not None
        assert found.status == "open"
