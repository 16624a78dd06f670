"""Quotes and trades of one symbol within one minute."""

from collections.abc import Iterator
from typing import Final

from libs.domain.market import Quote, TradeTick
from libs.venues.synthetic.process import MINUTE_MS, Symbol, generator, lines
from libs.venues.timeline import QUOTES, TRADES, Placed

MILLISECOND: Final = 1_000_000
MINUTE: Final = MINUTE_MS * MILLISECOND


def ticks(seed: int, venue: str, symbol: Symbol, trades: int, number: int, start: int, levels: tuple[float, float]) -> Iterator[Placed]:
    """The ticks of the minute that begins at `start`, the `number`th of the session (from 0), at prices around a way between `levels`.

    There are always `trades` trades and twice as many quotes: thus the sequence numbers of a minute are known without the
    minutes before. The minute has a slot for each tick, each tick a drawn millisecond of its slot, and of three slots in
    a row a drawn one holds the trade, at the ask mostly while the price rises and at the bid while it falls. Nothing is
    computed before it is asked for.
    """
    name, per_unit, lots_per_unit = symbol.name, symbol.ticks_per_unit, symbol.lots_per_unit
    spread, quoted, step, traded = symbol.most_spread, symbol.most_quoted, symbol.quoted_step, symbol.most_traded
    draw = generator(seed, name, start // MINUTE)
    upcoming = lines(draw, symbol, *levels)
    begin, base, slope = upcoming.pop(0)
    random = draw.random
    slots = 3 * trades
    quote_seq, trade_seq = 2 * trades * number, trades * number
    for slot in range(slots):
        if slot % 3 == 0:
            trade_slot = slot + int(random() * 3)
        opens, closes = slot * MINUTE_MS // slots, (slot + 1) * MINUTE_MS // slots
        at = opens + int(random() * (closes - opens))
        while upcoming and at >= upcoming[0].begin:
            begin, base, slope = upcoming.pop(0)
        ts = start + at * MILLISECOND
        width = 1 + int(random() * spread)
        bid = int(base + slope * (at - begin) - width / 2 + 0.5)
        if slot == trade_slot:
            trade_seq += 1
            buys = random() < (0.8 if slope > 0 else 0.2)
            price = (bid + width if buys else bid) / per_unit
            size = (1 + int(random() * traded)) / lots_per_unit
            yield Placed(ts, TRADES, name, 0, trade_seq, TradeTick(venue=venue, symbol=name, seq=trade_seq, ts=ts, price=price, size=size))
        else:
            quote_seq += 1
            yield Placed(
                ts,
                QUOTES,
                name,
                0,
                quote_seq,
                Quote(
                    venue=venue,
                    symbol=name,
                    seq=quote_seq,
                    ts=ts,
                    bid=bid / per_unit,
                    ask=(bid + width) / per_unit,
                    bid_size=step * (1 + int(random() * quoted)) / lots_per_unit,
                    ask_size=step * (1 + int(random() * quoted)) / lots_per_unit,
                ),
            )
