"""What kinds of orders may leave, by what they are for."""

from decimal import Decimal
from itertools import product
from typing import Any, get_args

import msgspec
import pytest

from libs.domain.orders import PROTECTIVE, Order, OrderType, Purpose, TimeInForce
from libs.quant.risk.order_terms import fault
from tests.paper import an_order

D = Decimal
GOOD: set[tuple[Purpose, OrderType, TimeInForce]] = {
    ("signal", "limit", "GTD"),
    ("slice", "limit", "GTD"),
    ("liquidation", "limit", "GTD"),
    ("stop", "stop", "GTC"),
    ("stop", "trailing_stop", "GTC"),
    ("target", "limit", "GTC"),
}
ALL = list(product(get_args(Purpose), get_args(OrderType), get_args(TimeInForce)))


def of_kind(purpose: Purpose, order_type: OrderType = "limit", time_in_force: TimeInForce = "GTD", **changed: Any) -> Order:
    values: dict[str, Any] = {
        "purpose": purpose,
        "order_type": order_type,
        "time_in_force": time_in_force,
        "reduce_only": purpose in PROTECTIVE,
        "stop_price": D(95) if order_type in ("stop", "trailing_stop") else None,
        "trail": D(5) if order_type == "trailing_stop" else None,
    }
    return msgspec.structs.replace(an_order(), **(values | changed))


def test_of_all_kinds_of_orders_six_may_leave() -> None:
    assert {kind for kind in ALL if not fault(of_kind(*kind))} == GOOD
    assert {fault(of_kind(*kind))[:6] for kind in ALL if kind not in GOOD} == {"RC-A10"}


def test_what_ends_before_it_was_decided_does_not_leave() -> None:
    assert fault(of_kind("signal", decided_at=1_000, expires_at=1_000)).startswith("RC-A10")
    assert fault(of_kind("signal", decided_at=999, expires_at=1_000)) == ""


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(of_kind("stop", "stop", "GTC", reduce_only=False), id="a stop that could add"),
        pytest.param(of_kind("target", "limit", "GTC", reduce_only=False), id="a target that could add"),
        pytest.param(of_kind("stop", "stop", "GTC", stop_price=D(0)), id="a stop at nothing"),
        pytest.param(of_kind("stop", "stop", "GTC", stop_price=None), id="a stop nowhere"),
        pytest.param(of_kind("stop", "trailing_stop", "GTC", trail=D(0)), id="trailing at no distance"),
        pytest.param(of_kind("stop", "trailing_stop", "GTC", trail=D(-1)), id="trailing on the other side"),
        pytest.param(of_kind("stop", "trailing_stop", "GTC", trail=D("NaN")), id="trailing at no number"),
        pytest.param(of_kind("target", "limit", "GTC", price=None), id="a target nowhere"),
    ],
)
def test_what_cannot_guard_a_position_does_not_leave(order: Order) -> None:
    assert fault(order).startswith("RC-A09")
