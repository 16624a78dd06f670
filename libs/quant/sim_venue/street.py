"""`book`: what the replayed market does in the book. It rests where it quotes, takes when its quote crosses orders of
others, and its trades take what stood at their price or better.
"""

from libs.domain.orders import Side
from libs.quant.sim_venue.book import STREET, Half
from libs.quant.sim_venue.state import Core, Market
from libs.quant.sim_venue.taking import match


def show(core: Core, market: Market) -> None:
    """The newest quote stands in the book. At a price where it already stands it keeps its place in time."""
    sides: tuple[tuple[Side, tuple[int, int] | None], ...] = (("buy", market.bid), ("sell", market.ask))
    for side, shown in sides:
        standing = market.street.get(side)
        if standing is not None and (shown is None or shown[0] != standing):
            market.book.own(side).remove(standing, STREET)
            del market.street[side]
    for side, shown in sides:
        if shown is not None:
            _stand(core, market, side, *shown)


def _stand(core: Core, market: Market, side: Side, ticks: int, lots: int) -> None:
    half = market.book.own(side)
    if _stands(half, ticks):
        half.change(ticks, STREET, lots)
        return
    left = match(core, market, side, ticks, lots, None)
    if left:
        half.add(ticks, STREET, left)
        market.street[side] = ticks


def _stands(half: Half, ticks: int) -> bool:
    return STREET in half.levels.get(ticks, ())


def deal(core: Core, market: Market, ticks: int, lots: int) -> None:
    """Somebody of the street traded: who stood at that price or better in the book is filled before it, up to its size."""
    bid, ask = market.book.bids.best(), market.book.asks.best()
    if bid is not None and ticks <= bid:
        match(core, market, "sell", ticks, lots, None)
    elif ask is not None and ticks >= ask:
        match(core, market, "buy", ticks, lots, None)
    market.last = ticks
    if market.stops:
        market.dealt.append(ticks)
