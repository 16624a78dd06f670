"""Why the venue will not take an order. Nothing here changes anything."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from libs.domain.orders import Side
from libs.quant.exchange.meeting import STOPS
from libs.quant.sim_venue import holding
from libs.quant.sim_venue.book import within
from libs.quant.sim_venue.commands import Refusal, Submit
from libs.quant.sim_venue.listings import SelfTrade
from libs.quant.sim_venue.orders import NewOrder, Order, Shape
from libs.quant.sim_venue.state import MOST, Account, Core, Live, Market
from libs.quant.sim_venue.taking import reachable

MOST_MONEY: Final = Decimal(10) ** 13
"""Of one order: what is added up stays exact in the 28 digits of Decimal."""

_SLIP: Final = 100
"""Money for an order without a limit is set aside at the shown price and one part in so many more."""

_LEAST_BPS: Final = Decimal("0.01")

_SIZES: Final[dict[Shape, int]] = {"simple": 1, "oco": 2, "oto": 2, "bracket": 3}


def refusal_of(core: Core, account: Account, command: Submit) -> Refusal | None:
    """Why none of the orders is taken; None when all are."""
    orders = command.orders
    mode = command.self_trade or account.self_trade
    if len(orders) != _SIZES[command.shape]:
        return Refusal("bad_combination", f"a {command.shape} needs {_SIZES[command.shape]} orders, got {len(orders)}")
    for n, asked in enumerate(orders):
        refusal = _unfit(core, account, asked, mode, held=n > 0 and command.shape != "oco")
        if refusal is not None:
            return refusal
    refusal = _misshapen(command)
    if refusal is not None:
        return refusal
    if len({asked.client_order_id for asked in orders}) < len(orders) and core.rules.id_scope != "none":
        return Refusal("duplicate_client_id", "two orders of one command have the same client order id")
    live = orders if command.shape == "oco" else orders[:1]
    market = core.markets[live[0].symbol]
    return holding.short_of(core, account, market, [wanted(market, asked, asked.lots) for asked in live])


def refusal_of_replacement(core: Core, account: Account, old: Live, asked: NewOrder) -> Refusal | None:
    """Why an order does not take the place of another."""
    order = old.order
    held = order.status == "held"
    if 0 < asked.lots <= order.filled:
        return Refusal("below_filled", f"{order.filled} lots have filled, {asked.lots} would leave nothing to fill")
    refusal = _unfit(core, account, asked, old.self_trade, held=held or order.triggered, replaces=order)
    if refusal is not None or held:
        return refusal
    market = core.markets[asked.symbol]
    return holding.short_of(core, account, market, [wanted(market, asked, asked.lots - order.filled)], without=order)


def wanted(market: Market, asked: NewOrder, lots: int) -> holding.Wanted:
    """The order as far as money goes."""
    return holding.Wanted(asked.side, lots, hold_ticks(market, asked))


def hold_ticks(market: Market, asked: NewOrder) -> int:
    """The price at which money is set aside: the limit, or where the order begins and a margin."""
    if asked.limit is not None:
        return asked.limit
    price = asked.stop
    if price is None:
        shown = top(market, "sell" if asked.side == "buy" else "buy")
        price = shown if shown is not None else (market.last or 0)
        if asked.trail is not None:
            price += asked.trail
        elif asked.trail_bps is not None:
            price += int(price * asked.trail_bps / 10_000) + 1
    return price + -(-price // _SLIP)


def top(market: Market, side: Side) -> int | None:
    """The best price shown to buy at (side "buy": the bid) or to sell at; ticks."""
    if market.booked:
        return market.book.own(side).best()
    shown = market.bid if side == "buy" else market.ask
    return None if shown is None else shown[0]


def _unfit(core: Core, account: Account, asked: NewOrder, mode: SelfTrade, *, held: bool, replaces: Order | None = None) -> Refusal | None:
    """Why this one is not taken, whatever comes with it and whoever pays.

    Args:
        held: it does not meet the market now.
        replaces: the order that ends when it is taken.
    """
    market = core.markets.get(asked.symbol)
    if market is None:
        return Refusal("unknown_symbol", f"{asked.symbol!r} is not listed")
    refusal = next(_malformed(core, market, asked), None)
    if refusal is not None:
        return refusal
    if _known(core, account, asked.client_order_id, replaces):
        return Refusal("duplicate_client_id", f"client order id {asked.client_order_id!r} was used before")
    if market.listing.when_shut == "refuse":
        if market.halted:
            return Refusal("halted", f"trading of {asked.symbol} is halted")
        if not market.in_session(core.now):
            return Refusal("closed", f"{asked.symbol} is not in session")
    return None if held else _misplaced(core, account, market, asked, mode, replaces)


def _malformed(core: Core, market: Market, asked: NewOrder) -> Iterator[Refusal]:
    """What is wrong with an order by itself, the plainest first: each check may take for granted what those before it say."""
    kind, stops = asked.type, asked.type in STOPS
    if not asked.client_order_id:
        yield Refusal("bad_combination", "an order needs a client order id")
    if not 0 < asked.lots <= MOST:
        yield Refusal("bad_quantity", f"expected 1 to {MOST} lots, got {asked.lots}")
    for name, ticks in (("limit", asked.limit), ("stop", asked.stop), ("trail", asked.trail)):
        if ticks is not None and not 0 < ticks <= MOST:
            yield Refusal("bad_price", f"expected a {name} of 1 to {MOST} ticks, got {ticks}")
    if (asked.limit is None) == (kind in ("limit", "stop_limit")):
        yield Refusal("bad_combination", f"a {kind} order {'needs a' if asked.limit is None else 'has no'} limit price")
    if asked.stop is None and kind in ("stop", "stop_limit"):
        yield Refusal("bad_combination", f"a {kind} order needs a stop price")
    if asked.stop is not None and not stops:
        yield Refusal("bad_combination", f"a {kind} order has no stop price")
    if (asked.trail is None) == (asked.trail_bps is None) if kind == "trailing_stop" else (asked.trail, asked.trail_bps) != (None, None):
        yield Refusal("bad_combination", "a trailing stop trails by ticks or by bps, one of the two, and no other order does")
    bps = asked.trail_bps
    if bps is not None and not (bps.is_finite() and _LEAST_BPS <= bps < 10_000):
        yield Refusal("bad_price", f"expected a trail of at least {_LEAST_BPS} and less than 10000 bps, got {bps}")
    if asked.post_only and (kind != "limit" or asked.tif in ("IOC", "FOK")):
        yield Refusal("bad_combination", "only a limit order that may rest can be post-only")
    if (asked.expires_at is not None) != (asked.tif == "GTD"):
        yield Refusal("bad_combination", "a GTD order, and no other, has a time at which it expires")
    if asked.expires_at is not None and not core.now < asked.expires_at < 2**63:
        yield Refusal("bad_combination", f"it expires at {asked.expires_at}, and it is {core.now}")
    price = asked.limit or asked.stop or market.last
    notional = market.money(asked.lots, price or 0)
    if market.money(asked.lots, max(hold_ticks(market, asked), price or 0)) > MOST_MONEY:
        yield Refusal("bad_quantity", f"{asked.lots} lots are worth more than {MOST_MONEY}")
    if price is not None and notional < market.instrument.min_notional:
        least = market.instrument.min_notional
        yield Refusal("min_notional", f"a notional of {notional} {market.instrument.currency} is below the least of {least}")


def _known(core: Core, account: Account, client_order_id: str, replaces: Order | None) -> bool:
    match core.rules.id_scope:
        case "lifetime":
            return client_order_id in account.client_ids
        case "open":
            if client_order_id not in account.client_ids:
                return False
            return any(live.order.asked.client_order_id == client_order_id for live in account.live.values() if live.order is not replaces)
        case "none":
            return False


def _misplaced(core: Core, account: Account, market: Market, asked: NewOrder, mode: SelfTrade, replaces: Order | None) -> Refusal | None:
    """Why the market as it is does not allow the order."""
    opposite = top(market, "sell" if asked.side == "buy" else "buy")
    if asked.type in ("market", "trailing_stop") and asked.stop is None and _nothing_shown(core, market, opposite):
        return Refusal("no_market", f"nothing is shown of {asked.symbol} to {asked.side}")
    if asked.post_only and opposite is not None and within(asked.side, opposite, asked.limit):
        return Refusal("would_cross", f"a post-only order at {asked.limit} ticks would take what is shown at {opposite}")
    if asked.stop is not None and opposite is not None and within("sell" if asked.side == "buy" else "buy", opposite, asked.stop):
        return Refusal("would_trigger", f"a stop at {asked.stop} ticks would trigger at once: {opposite} is shown")
    if mode == "refuse" and asked.type in ("market", "limit") and _meets_itself(core, account, market, asked, replaces):
        return Refusal("self_trade", "the order would trade with another of its own account")
    return None


def _nothing_shown(core: Core, market: Market, opposite: int | None) -> bool:
    if market.booked and market.trading(core.now):
        return opposite is None
    return opposite is None and market.last is None


def _meets_itself(core: Core, account: Account, market: Market, asked: NewOrder, replaces: Order | None) -> bool:
    if market.booked and market.trading(core.now):
        return reachable(core, market, asked.side, asked.limit, asked.lots, account.name).own
    return any(
        other.order.asked.side != asked.side
        and other.active
        and other.order is not replaces
        and (asked.limit is None or other.limit is None or within(asked.side, other.limit, asked.limit))
        for other in account.live.values()
        if other.order.asked.symbol == asked.symbol
    )


def _misshapen(command: Submit) -> Refusal | None:
    """Why orders do not go together."""
    first, *rest = command.orders
    if command.shape == "simple":
        return None
    if any(asked.symbol != first.symbol for asked in rest):
        return Refusal("bad_combination", f"the orders of an {command.shape} are of one symbol")
    pair = command.orders if command.shape == "oco" else tuple(rest)
    if any(asked.type == "market" for asked in pair) and command.shape != "oto":
        return Refusal("bad_combination", "a market order cannot be one of a pair")
    if len({asked.side for asked in pair}) > 1:
        return Refusal("bad_combination", "orders that cancel each other are of one side")
    if command.shape == "bracket":
        return _no_bracket(first, rest)
    return None


def _no_bracket(first: NewOrder, rest: list[NewOrder]) -> Refusal | None:
    if any(asked.side == first.side or asked.lots != first.lots for asked in rest):
        return Refusal("bad_combination", "the exits of a bracket are of the other side and of the same quantity")
    if sorted(asked.type in STOPS for asked in rest) != [False, True]:
        return Refusal("bad_combination", "a bracket has one limit order to take profit and one stop")
    return None
