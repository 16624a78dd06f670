"""Public trades: the market's, with `seq` as their id. Which side was the aggressor is told by the tick rule."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

from libs.domain.market import TradeTick
from services.sim_venue.binance.figures import ms, shown
from services.sim_venue.binance.order_answers import Json
from services.sim_venue.tape import Tape

_MINUTE: Final = 60_000_000_000
_LONGEST: Final = 1440 * _MINUTE  # how far back a list of the newest trades is looked for
_ALL: Final = 1_000_000


async def looked_back(tape: Tape, symbol: str, now: int, enough: Callable[[Sequence[TradeTick]], bool]) -> Sequence[TradeTick]:
    """The newest trades, oldest first, from as far back as is enough, or a day."""
    span = _MINUTE
    while True:
        found = await tape.older_trades(symbol, now - span, now + 1, _ALL)
        if span >= _LONGEST or enough(found):
            return found
        span = min(span * 8, _LONGEST)


async def latest(tape: Tape, symbol: str, now: int, limit: int) -> Sequence[TradeTick]:
    """The newest `limit` trades, and one more before them where there is one."""
    return (await looked_back(tape, symbol, now, lambda found: len(found) > limit))[-limit - 1 :]


async def since_id(tape: Tape, symbol: str, now: int, first: int, limit: int) -> Sequence[TradeTick]:
    """Trades from an id on, and one more before them where there is one."""
    found = await looked_back(tape, symbol, now, lambda trades: bool(trades) and trades[0].seq < first)
    begin = next((n for n, trade in enumerate(found) if trade.seq >= first), len(found))
    return found[max(0, begin - 1) : begin + limit] if begin else found[:limit]


def makers(trades: Sequence[TradeTick]) -> list[bool]:
    """Whether the buyer was the maker: true of a trade below the one before, or level with it after such a one."""
    down, sides = False, [False] if trades else []
    for before, trade in pairwise(trades):
        down = trade.price < before.price or (trade.price == before.price and down)
        sides.append(down)
    return sides


def public(trade: TradeTick, buyer_is_maker: bool) -> Json:
    """As `/trades` has it."""
    return {
        "id": trade.seq,
        "price": shown(trade.price),
        "qty": shown(trade.size),
        "quoteQty": shown(trade.price * trade.size),
        "time": ms(trade.ts),
        "isBuyerMaker": buyer_is_maker,
        "isBestMatch": True,
    }


def aggregate(trade: TradeTick, buyer_is_maker: bool) -> Json:
    """As `/aggTrades` has it: every trade is one of its own here."""
    return {
        "a": trade.seq,
        "p": shown(trade.price),
        "q": shown(trade.size),
        "f": trade.seq,
        "l": trade.seq,
        "T": ms(trade.ts),
        "m": buyer_is_maker,
        "M": True,
    }


def trade_event(symbol: str, trade: TradeTick, buyer_is_maker: bool) -> Json:
    """As the stream `@trade` has it."""
    return {
        "e": "trade",
        "E": ms(trade.ts),
        "s": symbol,
        "t": trade.seq,
        "p": shown(trade.price),
        "q": shown(trade.size),
        "T": ms(trade.ts),
        "m": buyer_is_maker,
        "M": True,
    }


def aggregate_event(symbol: str, trade: TradeTick, buyer_is_maker: bool) -> Json:
    """As the stream `@aggTrade` has it."""
    return {"e": "aggTrade", "E": ms(trade.ts), "s": symbol, **aggregate(trade, buyer_is_maker)}
