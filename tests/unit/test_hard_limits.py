from decimal import Decimal
from typing import Any

import msgspec
import pytest

from libs.domain.configuration import LimitConfig
from libs.domain.orders import Order, Status
from libs.quant.execution.protection import Standing
from libs.quant.risk.hard_limits import Known, denied
from libs.quant.risk.limits import Limits
from tests.factories import INSTRUMENTS, a_limit, the_limits
from tests.paper import an_order

D = Decimal
BOOK = ("fast", "ALFA")
MOST = a_limit("max_position_notional", 0.1, scope="strategy", unit="equity")
LARGEST = a_limit("max_order_notional", 1_000, scope="order")


def an_entry(**changed: Any) -> Order:
    """A buy of 10 ALFA at 100, a tenth of what the limit of a position is."""
    values = {"strategy_id": "fast", "quantity": D(10), "price": D("100.00"), "side": "buy"}
    return msgspec.structs.replace(an_order(1, symbol="ALFA"), **(values | changed))


def code(order: Order, limits: Limits | None = None, **known: Any) -> str:
    values: dict[str, Any] = {
        "account_name": "paper",
        "instruments": INSTRUMENTS,
        "positions": {},
        "orders": [],
        "prices": {"ALFA": 100.0},
        "equity": 100_000.0,
    }
    return denied(order, Known(**(values | known)), limits or the_limits(MOST, LARGEST), 0.1).partition(":")[0]


def test_what_risk_approves_passes() -> None:
    assert code(an_entry()) == ""


@pytest.mark.parametrize(
    "changed",
    [{"quantity": D(0)}, {"quantity": D(-1)}, {"quantity": D("NaN")}, {"price": D(0)}, {"price": D("100.001")}, {"price": D("Infinity")}],
)
def test_sizes_and_prices_that_are_none_are_denied(changed: dict[str, Decimal]) -> None:
    assert code(an_entry(**changed)) == "RC-A03"


def test_a_market_order_is_never_sent() -> None:
    assert code(an_entry(price=None, order_type="market")) == "RC-A07"


@pytest.mark.parametrize(
    ("side", "price", "expected"),
    [("buy", "104.04", ""), ("buy", "104.05", "RC-A07"), ("buy", "1.00", ""), ("sell", "96.04", ""), ("sell", "96.03", "RC-A07")],
)
def test_a_price_may_be_as_far_from_the_market_as_risk_lets_it_and_no_farther(side: str, price: str, expected: str) -> None:
    assert code(an_entry(side=side, price=D(price), quantity=D(1))) == expected


def test_without_a_price_nothing_is_sent() -> None:
    assert code(an_entry(), prices={}) == "RC-A07"


def test_a_liquidation_may_go_as_far_as_is_configured() -> None:
    exit_ = an_entry(side="sell", price=D("90.00"), purpose="liquidation", quantity=D(10))
    assert code(exit_, positions={BOOK: D(10)}) == ""


def test_one_order_has_a_largest_size_but_for_what_shrinks_its_book() -> None:
    assert code(an_entry(quantity=D(11))) == "RC-A05"
    assert code(an_entry(quantity=D(11), side="sell"), positions={BOOK: D(11)}) == ""


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        pytest.param(a_limit("max_order_quantity", 9, scope="order", unit="count"), "RC-A04", id="too many of them"),
        pytest.param(a_limit("max_order_quantity", 10, scope="order", unit="count"), "", id="as many as may be"),
        pytest.param(a_limit("restricted", 1, scope="symbol", key="ALFA", unit="count"), "RC-A13", id="a restricted symbol"),
    ],
)
def test_quantity_and_symbol_are_looked_at_once_more_but_for_what_shrinks_its_book(limit: LimitConfig, expected: str) -> None:
    assert code(an_entry(quantity=D(10)), the_limits(limit)) == expected
    assert code(an_entry(quantity=D(10), side="sell"), the_limits(limit), positions={BOOK: D(10)}) == ""


@pytest.mark.parametrize(("others", "expected"), [(90, ""), (93, "RC-B01")])
def test_a_position_is_bounded_at_its_worst_case_unknown_orders_included(others: int, expected: str) -> None:
    """10,000 is the limit, and the market may have moved by the 2 % of the collar since risk looked."""
    other = msgspec.structs.replace(an_order(2, symbol="ALFA"), strategy_id="fast", quantity=D(others))
    assert code(an_entry(), orders=[Standing(other, Status.UNKNOWN)]) == expected


def test_an_error_inside_denies() -> None:
    assert code(an_entry(), equity=None) == "RC-ERR"
    assert code(an_entry(), instruments={}) == "RC-A02"


def test_a_liquidation_is_not_held_up_by_an_equity_that_nobody_has_counted() -> None:
    exit_ = an_entry(side="sell", purpose="liquidation")
    limits = the_limits(MOST, a_limit("max_order_notional", 0.1, scope="order", unit="equity"))
    assert code(exit_, limits, positions={BOOK: D(10)}, equity=None) == ""
    assert code(an_entry(), limits, equity=None) == "RC-ERR"


def test_a_liquidation_may_make_the_sum_of_the_account_larger_on_its_way() -> None:
    most = a_limit("max_position_notional", 1_000, scope="account")
    books = {BOOK: D(10), ("slow", "ALFA"): D(-20)}
    assert code(an_entry(side="sell", purpose="liquidation"), the_limits(most), positions=books) == ""
    assert code(an_entry(side="sell"), the_limits(most), positions=books) == "RC-B01"
