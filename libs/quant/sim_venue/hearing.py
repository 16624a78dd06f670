"""One event of the market: what it shows, and whom it meets."""

from libs.domain.market import Bar, MarketEvent, Quote, QuoteBar, TradeTick
from libs.domain.names import TIMEFRAMES
from libs.quant.exchange.matching import KINDS
from libs.quant.sim_venue import model, street
from libs.quant.sim_venue.state import MOST, Core, Market


def hear(core: Core, market: Market, event: MarketEvent) -> None:
    """Takes an event in that is newer than all before it of its kind."""
    prices = _prices(event)
    if any(price >= market.tick * MOST for price in prices):  # infinite or absurd: somebody's fault, and no price
        return
    _note(market, event)
    if not market.trading(_begins(event)):
        market.unshown |= market.booked and isinstance(event, Quote)
        return
    if market.booked:
        _to_the_book(core, market, event)
    elif isinstance(event, KINDS[market.listing.fill_on]) and not isinstance(event, TradeTick):
        model.meet(core, market, event)


def known_at(event: MarketEvent) -> int:
    """Market time at which it is known: a bar at its end."""
    return event.start + TIMEFRAMES[event.timeframe] if isinstance(event, Bar | QuoteBar) else event.ts


def moment_of(event: MarketEvent) -> tuple[int, int]:
    """Where it stands among those of its symbol and kind."""
    return _begins(event), event.seq


def _begins(event: MarketEvent) -> int:
    return event.start if isinstance(event, Bar | QuoteBar) else event.ts


def _to_the_book(core: Core, market: Market, event: MarketEvent) -> None:
    match event:
        case Quote():
            market.unshown = False
            street.show(core, market)
        case TradeTick():
            ticks = market.ticks(event.price)
            if ticks is not None:
                street.deal(core, market, ticks, market.lots(event.size))


def _note(market: Market, event: MarketEvent) -> None:
    """Takes down what it shows."""
    match event:
        case Quote():
            market.bid, market.ask = market.shown(event.bid, event.bid_size), market.shown(event.ask, event.ask_size)
            if market.booked and market.bid and market.ask and market.bid[0] >= market.ask[0]:
                market.bid = market.ask = None  # crossed: nobody could trade at both
            sides = [side[0] for side in (market.bid, market.ask) if side is not None]
            newest = sum(sides) // len(sides) if sides else None
        case QuoteBar():
            sides = [ticks for ticks in (market.ticks(event.bid_close), market.ticks(event.ask_close)) if ticks is not None]
            newest = sum(sides) // len(sides) if sides else None
        case Bar():
            newest = market.ticks(event.close)
        case TradeTick():
            newest = market.ticks(event.price)
    market.last = newest if newest is not None else market.last


def _prices(event: MarketEvent) -> tuple[float, ...]:
    match event:
        case Quote():
            return event.bid, event.ask
        case TradeTick():
            return (event.price,)
        case Bar():
            return event.open, event.high, event.low, event.close
        case QuoteBar():
            return (
                *(event.bid_open, event.bid_high, event.bid_low, event.bid_close),
                *(event.ask_open, event.ask_high, event.ask_low, event.ask_close),
            )
