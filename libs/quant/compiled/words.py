"""A refusal of the compiled gate in the words of the control that it stands for (libs/quant/risk)."""

from collections.abc import Sequence
from typing import Any, Final

from libs.domain.losses import Halt, percent
from libs.domain.messages import Signal
from libs.domain.orders import Order
from libs.domain.times import SECOND, iso
from libs.quant.backtest.setup import Setup
from libs.quant.backtest.tape import Tape
from libs.quant.compiled import gate
from libs.quant.risk.permission import HALTED, halted, killed
from libs.quant.risk.view import Refusal

_TWO_PLACES: Final = {
    gate.SHORT: ("RC-A16", "short position above max_short_notional"),
    gate.NOTIONAL: ("RC-A05", "order notional above max_order_notional"),
    gate.POSITION: ("RC-B01", "position above max_position_notional"),
    gate.GROSS_EXPOSURE: ("RC-B02", "gross exposure above max_gross_exposure"),
    gate.NET_EXPOSURE: ("RC-B02", "net exposure above max_net_exposure"),
    gate.CASH: ("RC-B03", "more than the cash that is free"),
    gate.MARGIN: ("RC-B04", "the margin required is more than the account is worth"),
}
_COUNTS: Final = {
    gate.OPEN_SYMBOL: ("RC-B06", "too many open orders of symbol {symbol}"),
    gate.OPEN_STRATEGY: ("RC-B06", "too many open orders of strategy {strategy}"),
    gate.OPEN_ACCOUNT: ("RC-B06", "too many open orders of account {account}"),
    gate.MINUTE_STRATEGY: ("RC-B07", "too many orders of strategy {strategy} within a minute"),
    gate.MINUTE_ACCOUNT: ("RC-B07", "too many orders of account {account} within a minute"),
    gate.SECOND_STRATEGY: ("RC-B07", "too many orders of strategy {strategy} within a second"),
    gate.SECOND_ACCOUNT: ("RC-B07", "too many orders of account {account} within a second"),
    gate.DUPLICATE: ("RC-A11", "the same order was decided a moment before, by another signal"),
}
_SIDES: Final = {gate.STOP_SIDE: "stop", gate.TRAIL_SIDE: "trailing stop", gate.TARGET_SIDE: "target"}


def refusal(row: Any, signal: Signal, tape: Tape, setup: Setup, orders: Sequence[Order], halts: Sequence[Halt]) -> Refusal:
    """As `assess` says it; `orders` by their rows."""
    reason, limit, seen, other = int(row["reason"]), float(row["limit"]), float(row["seen"]), float(row["other"])
    if reason in _TWO_PLACES:
        code, text = _TWO_PLACES[reason]
        return Refusal(code, text, f"{limit:.2f}", f"{seen:.2f}")
    if reason in _COUNTS:
        code, text = _COUNTS[reason]
        return Refusal(
            code, text.format(symbol=signal.symbol, strategy=signal.strategy_id, account=setup.account_name), f"{limit:g}", f"{seen:.0f}"
        )
    if reason in _SIDES:
        text = f"the {_SIDES[reason]} would not stand on its side of the market at {signal.reference_price:g}"
        return Refusal("RC-A09", text, f"{limit:g} away", f"{seen:g}")
    if reason == gate.HALTED:
        halt = halts[0]
        return Refusal(HALTED, halted(setup.account_id, halt), percent(halt.most), percent(halt.seen))
    if reason == gate.CROSSING:
        text = f"could trade with our own order {orders[int(other)].order_id}"
        return Refusal("RC-B10", text, "no crossing", f"buy {limit:.0f} >= sell {seen:.0f} ticks")
    return _words(reason, signal, tape, setup, limit, seen, other)


def _words(reason: int, signal: Signal, tape: Tape, setup: Setup, limit: float, seen: float, other: float) -> Refusal:
    instrument, price = tape.instruments[signal.symbol], signal.reference_price
    match reason:
        case gate.NOT_LISTED:
            text = f"{signal.symbol} is none of the symbols that {signal.strategy_id} may trade"
            return Refusal("RC-A13", text, "listed", "not listed")
        case gate.UNSOUND:
            numbers = (signal.target, signal.confidence, signal.scale, price)
            return Refusal("RC-A01", "expected target -1..1, confidence and scale 0..1, price above 0", "", str(numbers))
        case gate.TOO_LATE:
            return Refusal("RC-A12", "the signal came too late", "0 s", f"{seen / SECOND:.3f} s late")
        case gate.OLD_PRICE:
            return Refusal("RC-A08", "the reference price is too old", f"{limit / SECOND:g} s", f"{seen / SECOND:.3f} s")
        case gate.NO_COLLAR:
            return Refusal("RC-A07", "no price or no collar to judge by", str(_or_none(limit)), str(_or_none(seen)))
        case gate.AWAY:
            text = f"reference price {price:g} is away from the market at {other:g}"
            return Refusal("RC-A07", text, f"{limit:g}", f"{seen:.4f}")
        case gate.DISABLED:
            return killed(f"strategy:{signal.strategy_id}", "reduce_only")
        case gate.FORBIDDEN:
            assert setup.limits is not None
            why = setup.limits.forbids(signal.symbol)
            return Refusal("RC-A13", f"{signal.symbol} is {why}, and what is held of it may only be reduced", "permitted", why)
        case gate.SHUT:
            text = f"the market ({instrument.calendar}) is shut, and opens when the order has ended"
            return Refusal("RC-A15", text, iso(int(limit)), f"opens {iso(int(seen))}")
        case gate.NOT_POSITIVE:
            return Refusal("RC-A03", "quantity and price must be positive", "1", f"{limit:.0f} lots at {seen:.0f} ticks")
        case gate.TOO_SMALL:
            return Refusal("RC-A03", "below the venue's smallest notional", f"{instrument.min_notional}", f"{seen:.2f}")
        case gate.JUMP:
            return Refusal("RC-A08", f"price jump above max_price_jump, from {other:g}", f"{limit:g}", f"{seen:.4f}")
        case gate.NO_SHORT:
            return Refusal("RC-A16", "the account may not go short", "0 lots", f"{seen:.0f} lots")
        case gate.QUANTITY:
            quantity, most = instrument.quantity(int(seen)), setup.limits.over(setup.account_name, signal.strategy_id, signal.symbol)  # type: ignore[union-attr]
            return Refusal("RC-A04", "order quantity above max_order_quantity", f"{most.order_quantity:g}", f"{quantity.normalize():f}")
        case gate.ENTRIES:
            text = f"{signal.strategy_id} enters {signal.symbol} again and again"
            return Refusal("RC-B09", text, f"{limit:g}", f"{seen:.0f}", disables=True)
    raise AssertionError(f"nobody refuses by {reason}")


def _or_none(value: float) -> float | None:
    return None if value != value else value
