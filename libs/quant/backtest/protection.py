"""Stops and targets around a position: orders at the venue from the bar after its fill on, each cancelling the other."""

from decimal import Decimal
from typing import Literal

from libs.domain.books import Position
from libs.domain.identity import client_order_id, order_id
from libs.domain.instruments import Instrument
from libs.domain.orders import Exits, Order, Side
from libs.domain.trades import Trade
from libs.quant.backtest.naked import FOREVER
from libs.quant.backtest.setup import Setup
from libs.quant.sizing import to_ticks

_Kind = Literal["stop", "trailing_stop", "limit"]


def protecting(position: Position, last: Trade, setup: Setup, instrument: Instrument, now: int) -> list[Order]:
    """The exits a position is given after its fill `last`; none for a flat book. Known at market time `now`."""
    if not position.quantity:
        return []
    exits, long = setup.exits, position.quantity > 0
    kinds = [kind for kind, bps in _distances(exits) if bps]
    return [_order(n, kind, exits, position, last, setup, instrument, now, long) for n, kind in enumerate(kinds)]


def _distances(exits: Exits) -> list[tuple[_Kind, float]]:
    stop: tuple[_Kind, float] = ("trailing_stop", exits.trail_bps) if exits.trail_bps else ("stop", exits.stop_bps)
    return [stop, ("limit", exits.target_bps)]


def _order(
    n: int, kind: _Kind, exits: Exits, position: Position, last: Trade, setup: Setup, instrument: Instrument, now: int, long: bool
) -> Order:
    id_ = order_id(last.trade_id, n)
    side: Side = "sell" if long else "buy"
    against = -1 if long else 1
    bps = dict(_distances(exits))[kind]
    level = _at(position.avg_cost, (against if kind != "limit" else -against) * bps, instrument)
    return Order(
        order_id=id_,
        client_order_id=client_order_id(setup.fleet_tag, id_, 1),
        account_id=setup.account_id,
        venue=setup.venue,
        session_id=setup.session_id,
        strategy_id=last.strategy_id,
        symbol=last.symbol,
        signal_id=last.trade_id,  # it answers a fill, not a signal
        leg=n,
        side=side,
        order_type=kind,
        quantity=abs(position.quantity),
        price=level if kind == "limit" else None,
        time_in_force="GTC",
        decided_at=now,
        valid_until=FOREVER,
        expires_at=FOREVER,
        stop_price=level if kind != "limit" else None,
        trail=_distance(position.avg_cost, bps, instrument) if kind == "trailing_stop" else None,
        oco=str(last.trade_id),
    )


def _at(price: Decimal, bps: float, instrument: Instrument) -> Decimal:
    return instrument.price(max(1, to_ticks(float(price) * (1 + bps / 10_000), float(instrument.tick))))


def _distance(price: Decimal, bps: float, instrument: Instrument) -> Decimal:
    return instrument.price(max(1, to_ticks(float(price) * bps / 10_000, float(instrument.tick))))
