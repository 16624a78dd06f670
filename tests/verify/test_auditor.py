"""The auditor at its own pace: from an order that nobody has approved to the account's halt, by the clock."""

import asyncio
from typing import Final

from libs.common.clocks import SystemClock
from libs.common.database import Database
from tests.integration.test_auditor import ALPACA, HALTED, at_sim
from tests.sim_venues import a_sim_venue

WITHIN_S: Final = 15.0


async def test_an_order_at_the_venue_that_nobody_approved_halts_its_account_within_fifteen_seconds(database: Database) -> None:
    async with a_sim_venue() as venue:
        scene = await at_sim(ALPACA, venue, database)
        auditing = asyncio.create_task(scene.auditor.run())
        await asyncio.sleep(1.0)  # right after a look: the next is as far away as it can be
        await scene.sends(scene.order(1))
        began = SystemClock().monotonic()
        async with asyncio.timeout(WITHIN_S):
            while await scene.kills() != HALTED:  # noqa: ASYNC110 - a row that nobody rings for
                await asyncio.sleep(0.1)
        assert SystemClock().monotonic() - began > 5.0  # it was not found by chance
        auditing.cancel()
        await asyncio.gather(auditing, return_exceptions=True)
        await scene.trader.disconnect()
