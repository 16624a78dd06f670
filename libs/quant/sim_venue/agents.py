"""`book`: agents who quote around the newest price and take now and then, so that a market lives that nobody replays.

What one does follows from the venue's seed, the symbol, how many steps were taken there before, and the book as it stands.
"""

from random import Random
from typing import Final

from libs.domain.orders import Side
from libs.quant.sim_venue.state import Core, Market
from libs.quant.sim_venue.taking import match

_TAKES: Final = 0.25
"""Share of steps that take; the others quote."""

_MOST_AT_ONCE: Final = 100
"""Steps of one symbol in one go: market time that leaps makes no storm."""


def act(core: Core, market: Market) -> None:
    """Takes the steps that are due by now, if the market trades and has a price."""
    agents, crowd = core.agents, market.crowd
    if agents is None or not market.booked or market.last is None or not market.trading(core.now):
        return
    pause = max(1, round(1e9 / agents.rate))
    if not crowd.due:
        crowd.due = core.now + pause
    for _ in range(_MOST_AT_ONCE):
        if crowd.due > core.now:
            return
        crowd.due += pause
        _step(core, market)
    crowd.due = core.now + pause


def _step(core: Core, market: Market) -> None:
    agents, crowd, fair = core.agents, market.crowd, market.last
    assert agents is not None
    assert fair is not None
    crowd.steps += 1
    chance = Random(f"{core.seed}:{market.symbol}:{crowd.steps}")
    side: Side = "buy" if chance.random() < 0.5 else "sell"
    lots = chance.randint(1, agents.lots)
    if chance.random() < _TAKES:
        reach = agents.spread * 2
        match(core, market, side, fair + reach if side == "buy" else max(1, fair - reach), lots, None)
    else:
        _quote(market, side, fair, agents.spread // 2 + chance.randint(0, agents.spread), lots)
        _thin(market, agents.resting)


def _quote(market: Market, side: Side, fair: int, away: int, lots: int) -> None:
    opposite = market.book.against(side).best()
    ticks = fair - away if side == "buy" else fair + away
    if opposite is not None:
        ticks = min(ticks, opposite - 1) if side == "buy" else max(ticks, opposite + 1)
    if ticks > 0:
        market.book.own(side).add(ticks, -market.crowd.steps, lots)
        market.crowd.quotes.append((side, ticks, -market.crowd.steps))


def _thin(market: Market, most: int) -> None:
    """Forgets quotes that were taken, and withdraws the oldest beyond `most`."""
    crowd = market.crowd
    standing = [(side, ticks, key) for side, ticks, key in crowd.quotes if key in market.book.own(side).levels.get(ticks, ())]
    for side, ticks, key in standing[:-most]:
        market.book.own(side).remove(ticks, key)
    crowd.quotes = standing[-most:]
