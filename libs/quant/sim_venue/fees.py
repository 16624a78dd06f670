"""What a fill costs, and what it moves."""

from decimal import Decimal

from libs.domain.orders import Side
from libs.quant.fills import charged
from libs.quant.sim_venue.orders import Execution
from libs.quant.sim_venue.state import ZERO, Market


def fee(market: Market, side: Side, lots: int, ticks: int, maker: bool) -> tuple[Decimal, str]:
    """(amount, currency or asset) that a fill costs, to 12 decimals.

    A buyer who pays in what was bought pays the share of it alone: `per_unit` and `minimum` are money.
    """
    fees, instrument = market.listing.fees, market.instrument
    bps = fees.maker_bps if maker else fees.taker_bps
    quantity = instrument.lot * lots
    if side == "buy" and fees.paid_in == "received" and market.listing.base:
        return charged(quantity, quantity, bps=bps, per_unit=ZERO, least=ZERO), market.listing.base
    money = charged(market.money(lots, ticks), quantity, bps=bps, per_unit=fees.per_unit, least=fees.minimum)
    return money, instrument.currency


def moves(market: Market, execution: Execution) -> tuple[dict[str, Decimal], int]:
    """Signed changes (by currency or asset, fee included) and of the position in lots that an execution makes."""
    sign = 1 if execution.side == "buy" else -1
    changes = {market.instrument.currency: -sign * market.money(execution.lots, execution.ticks)}
    position = 0
    if market.listing.base:
        _add(changes, market.listing.base, sign * execution.lots * market.instrument.lot)
    else:
        position = sign * execution.lots
    if execution.fee:
        _add(changes, execution.fee_currency, -execution.fee)
    return changes, position


def most_it_costs(market: Market, lots: int, ticks: int) -> Decimal:
    """Money that buying at this price takes, with the dearer of the two fees."""
    fees = market.listing.fees
    paid, currency = fee(market, "buy", lots, ticks, fees.maker_bps > fees.taker_bps)
    cost = market.money(lots, ticks)
    return cost + paid if currency == market.instrument.currency else cost


def _add(changes: dict[str, Decimal], name: str, amount: Decimal) -> None:
    changes[name] = changes.get(name, ZERO) + amount
