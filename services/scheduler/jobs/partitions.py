"""Partitions for what the market brings this month and the next, by market time and by this host's."""

from typing import Final

from libs.domain.times import iso
from libs.quant.calendars import DAY
from libs.store import market
from services.scheduler.duty import Done, Duty

MONTH: Final = 31 * DAY


async def run(duty: Duty) -> Done:
    """Makes those that are missing."""
    times = {duty.clock.now_ns()} | ({duty.session.market_time} if duty.session else set())
    needed = sorted({at + later for at in times for later in (0, MONTH)})
    for at in needed:
        await market.ensure_partitions(duty.database, at)
    months = sorted({iso(at)[:7] for at in needed})
    return Done(f"market_quotes and market_ohlcv have room for {', '.join(months)}")
