"""The controls in the order in which they look. The first refusal wins; any error inside one is a refusal too (see assess).

Each is a pure function in the file of its idea. Codes, bases and tests: libs/domain/risk_controls.py, from which docs/risk-controls.md
is made.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from libs.domain.messages import Signal
from libs.quant.risk.exposure import buying_power, gross_exposure, margin, net_exposure, position, short_sale
from libs.quant.risk.limits import Bounds
from libs.quant.risk.market_state import known_instrument, market_clock, market_open, overnight
from libs.quant.risk.message import fresh_signal, sound_target
from libs.quant.risk.order_size import order_notional, order_quantity, share_of_volume, usual_size, venue_steps
from libs.quant.risk.own_orders import crossing, duplicate, open_orders, order_rate, repeated_entries, wasted_orders
from libs.quant.risk.permission import close_only, kill_switch, listed, only_reduces, permitted_symbol
from libs.quant.risk.prices import fresh_price, price_collar, price_jump, protection_sides, sane_quote
from libs.quant.risk.system_state import system_state
from libs.quant.risk.view import Leg, Refusal, View

SignalControl = Callable[[Signal, View, Bounds], Refusal | None]
LegControl = Callable[[Leg, View, Bounds], Refusal | None]

SIGNAL_CONTROLS: Final[Sequence[SignalControl]] = (
    kill_switch,
    market_clock,
    known_instrument,
    listed,
    sound_target,
    fresh_signal,
    fresh_price,
    price_collar,
)
LEG_CONTROLS: Final[Sequence[LegControl]] = (
    only_reduces,
    close_only,
    system_state,
    permitted_symbol,
    market_open,
    venue_steps,
    protection_sides,
    sane_quote,
    price_jump,
    short_sale,
    order_quantity,
    order_notional,
    share_of_volume,
    usual_size,
    position,
    gross_exposure,
    net_exposure,
    overnight,
    buying_power,
    margin,
    open_orders,
    order_rate,
    duplicate,
    repeated_entries,
    wasted_orders,
    crossing,
)
NEEDS: Final[Mapping[LegControl, frozenset[str]]] = {
    permitted_symbol: frozenset({"forbidden"}),
    price_jump: frozenset({"max_price_jump"}),
    order_quantity: frozenset({"order_quantity"}),
    order_notional: frozenset({"order_notional"}),
    share_of_volume: frozenset({"adv_share"}),
    usual_size: frozenset({"order_to_median"}),
    position: frozenset({"strategy_position", "account_position", "fleet_position"}),
    gross_exposure: frozenset({"account_gross", "fleet_gross"}),
    net_exposure: frozenset({"account_net", "fleet_net"}),
    overnight: frozenset({"overnight"}),
    open_orders: frozenset({"open_orders"}),
    order_rate: frozenset({"orders_per_second", "orders_per_minute"}),
    repeated_entries: frozenset({"repeated_entries"}),
    wasted_orders: frozenset({"order_to_trade", "cancel_ratio"}),
}
"""Controls that pass everything unless somebody has set one of these limits (fields of Bounds): they need not be asked then."""


@lru_cache(maxsize=256)
def leg_controls(given: frozenset[str]) -> Sequence[LegControl]:
    """The controls of an order to be that have something to judge by; `given` as in Bounds."""
    return tuple(control for control in LEG_CONTROLS if control not in NEEDS or NEEDS[control] & given)
