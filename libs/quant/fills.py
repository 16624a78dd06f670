"""Simulated fills: what one market event gives one order. The paper broker and the backtester both fill with this.

An event is first reduced to an `Offer`: the price it has for one side with our costs already in it, in ticks, and how
many lots of it are ours to take. `fill` then only compares integers. Whether an order may meet an event at all is
`may_fill`.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, Literal, NamedTuple, assert_never

import msgspec

from libs.domain.amounts import kept
from libs.domain.instruments import Instrument
from libs.domain.market import Bar, Quote, QuoteBar
from libs.domain.names import TIMEFRAMES
from libs.domain.orders import Side
from libs.quant.sizing import against_us, to_lots, to_ticks

FillEvent = Quote | Bar | QuoteBar
"""What can fill an order; a symbol fills on one of the three kinds only."""

FillOn = Literal["quote", "bar", "quote_bar"]
"""What a simulated fill of a symbol waits for: the next quote, trade bar's open, or quote bar's open."""

_UNBOUNDED: Final = 2**53  # more lots than any order has


class FillTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What trading at a simulated venue costs and how much of the market it lets us have. bps are of the price."""

    half_spread_bps: Decimal = Decimal(0)  # added to trade bars only: quotes show their spread
    slippage_bps: Decimal = Decimal(0)  # added to everything
    participation: Decimal | None = Decimal(1)  # of a quote's or quote bar's shown size, all our orders of a side together; None: no bound
    bar_participation: Decimal | None = Decimal("0.1")  # the same of a trade bar's volume: taking more would have moved the price
    fee_bps: Decimal = Decimal(0)  # of the notional
    fee_per_unit: Decimal = Decimal(0)  # per share, coin or contract, in the instrument's currency
    fee_min: Decimal = Decimal(0)  # of each fill, in the instrument's currency

    def __post_init__(self) -> None:
        for name in ("half_spread_bps", "slippage_bps", "fee_bps", "fee_per_unit", "fee_min"):
            value: Decimal = getattr(self, name)
            if not (value.is_finite() and value >= 0):
                raise ValueError(f"expected {name} of 0 or more, got {value}")
        for name in ("participation", "bar_participation"):
            share: Decimal | None = getattr(self, name)
            if share is not None and not (share.is_finite() and 0 < share <= 1):
                raise ValueError(f"expected {name} above 0 and at most 1, got {share}")


def terms_of(values: Mapping[str, object]) -> FillTerms:
    """Terms by name, as a session's record or the configuration has them; other names are passed over.

    Raises:
        ValueError: one is no number, or none that a term can have; the message says which.
    """
    return msgspec.convert(values, FillTerms)


def written(terms: FillTerms) -> dict[str, str | None]:
    """Terms as a record keeps them: exact, each number as text. `terms_of` reads them back."""
    return {name: None if value is None else str(value) for name, value in msgspec.structs.asdict(terms).items()}


class Offer(NamedTuple):
    """What an event offers one side, costs included. For a quote `best` is `first`."""

    first: int  # ticks: the price there was to begin with
    best: int  # ticks: the most favourable price there was later
    lots: int  # that we may take


class Traded(NamedTuple):
    """The prices of an event that a side deals at, in ticks and without costs. For a quote all four are one."""

    first: int
    low: int
    high: int
    last: int


class SimFill(NamedTuple):
    """A simulated execution."""

    lots: int
    price_ticks: int


def may_fill(event: FillEvent, *, decided_at: int, expires_at: int, latency: int, grace: int) -> bool:
    """Whether an order may meet this event: not one it could not have been in time for, none known after its end.

    A quote must be later than decision and latency. A bar must start at or after the end of the decided bar; a latency
    shorter than the bar counts as 0. All times are market time in ns.

    Args:
        decided_at: end of the decided bar, and for bars we aggregate the grace after it.
        expires_at: the order's end; what becomes known at that very time still fills.
        grace: how long after its end a bar is known: 0 for recorded bars.
    """
    if isinstance(event, Quote):
        return decided_at + latency < event.ts <= expires_at
    length = TIMEFRAMES[event.timeframe]
    delay = latency if latency >= length else 0
    return event.start >= decided_at - grace + delay and event.start + length + grace <= expires_at


def offer(event: FillEvent, side: Side, instrument: Instrument, terms: FillTerms) -> Offer | None:
    """What the event offers `side`: ask to buy, bid to sell, a bar's open. None when that side shows no price or no size."""
    buy = side == "buy"
    costs = _costs(event, terms)
    share = terms.participation
    match event:
        case Quote():
            first = best = event.ask if buy else event.bid
            size = event.ask_size if buy else event.bid_size
        case QuoteBar():
            first, best = (event.ask_open, event.ask_low) if buy else (event.bid_open, event.bid_high)
            size = event.ask_size if buy else event.bid_size
        case Bar():
            first, best = event.open, event.low if buy else event.high
            size, share = event.volume, terms.bar_participation
        case _:
            assert_never(event)
    if not (first > 0 and best > 0):  # zero or NaN is how vendors say that a side is empty
        return None
    tick = float(instrument.tick)
    offered = Offer(
        against_us(side, to_ticks(first, tick), costs),
        against_us(side, to_ticks(best, tick), costs),
        _share_of(size, instrument, share),
    )
    return offered if offered.first > 0 and offered.lots > 0 else None


def _costs(event: FillEvent, terms: FillTerms) -> Decimal:
    return terms.slippage_bps + terms.half_spread_bps if isinstance(event, Bar) else terms.slippage_bps


def traded(event: FillEvent, side: Side, instrument: Instrument) -> Traded | None:
    """The prices `side` deals at: asks to buy, bids to sell, trades of a trade bar. None when that side shows no price."""
    buy = side == "buy"
    match event:
        case Quote():
            prices = (event.ask,) * 4 if buy else (event.bid,) * 4
        case QuoteBar():
            prices = (
                (event.ask_open, event.ask_low, event.ask_high, event.ask_close)
                if buy
                else (event.bid_open, event.bid_low, event.bid_high, event.bid_close)
            )
        case Bar():
            prices = (event.open, event.low, event.high, event.close)
        case _:
            assert_never(event)
    if not all(price > 0 for price in prices):
        return None
    tick = float(instrument.tick)
    return Traded(*(to_ticks(price, tick) for price in prices))


def at_price(side: Side, ticks: int, offered: Offer, terms: FillTerms, event: FillEvent) -> Offer:
    """The offer of an event to an order that comes alive at `ticks` within it: that price and no better, costs included."""
    price = against_us(side, ticks, _costs(event, terms))
    return Offer(price, price, offered.lots)


def _share_of(size: float, instrument: Instrument, share: Decimal | None) -> int:
    if share is None:
        return _UNBOUNDED
    if not size > 0:
        return 0
    lot = float(instrument.lot)
    shown = to_lots(min(size, lot * 2**52), lot)  # the rest of an absurd size is nothing an order could want
    over, under = share.as_integer_ratio()
    return shown * over // under


def fill(side: Side, limit: int | None, remaining: int, offered: Offer) -> SimFill | None:
    """The order's fill on this offer; what remains rests.

    At the first price when that is within the limit; else at the limit if the market traded strictly through it, costs
    included. Never beyond the limit, never more than is offered.

    Args:
        limit: in ticks; None takes any price.
        remaining: lots the order still wants.
    """
    if limit is None or _gain(side, offered.first, limit) >= 0:
        price = offered.first
    elif _gain(side, offered.best, limit) > 0:
        price = limit
    else:
        return None
    lots = min(remaining, offered.lots)
    return SimFill(lots, price) if lots > 0 else None


def _gain(side: Side, price: int, limit: int) -> int:
    return limit - price if side == "buy" else price - limit


def fee(terms: FillTerms, quantity: Decimal, price: Decimal, multiplier: Decimal) -> Decimal:
    """Fee of one fill in the instrument's currency, to 12 decimals, never rounded to cents. `quantity` is positive."""
    return charged(abs(quantity * price * multiplier), quantity, bps=terms.fee_bps, per_unit=terms.fee_per_unit, least=terms.fee_min)


def charged(notional: Decimal, quantity: Decimal, *, bps: Decimal, per_unit: Decimal, least: Decimal) -> Decimal:
    """A share of the notional and so much a unit, at least `least`; to 12 decimals, in the currency of the notional."""
    share = notional * bps / 10_000
    if per_unit:
        share += quantity * per_unit
    return kept(max(share, least))
