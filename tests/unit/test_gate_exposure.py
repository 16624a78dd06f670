"""Controls of exposure, cash and own orders: at the limit it passes, a step beyond it is refused."""

from typing import Any

import pytest

from libs.domain.messages import Signal
from libs.domain.orders import OPEN, Status
from libs.quant.risk.assess import assess_all
from libs.quant.risk.flow import ALIKE, Flow
from libs.quant.risk.view import Others, View
from tests.factories import NOON, SECOND, a_leg, a_limit, a_signal, a_view, an_open_order, the_limits
from tests.gate import ask, code
from tests.paper import COIN

BOOK = ("fast", "ALFA")
OTHER_BOOK = ("slow", "ALFA")
COINS = ("slow", "BTC/USD")


@pytest.mark.parametrize(
    ("lots", "positions", "in_the_market", "expected"),
    [
        pytest.param(10, {}, [], None, id="exactly at the limit"),
        pytest.param(11, {}, [], "RC-B02", id="a lot beyond"),
        pytest.param(15, {COINS: -2_500}, [], None, id="a short offsets a long"),
        pytest.param(16, {COINS: -2_500}, [], "RC-B02", id="a short offsets no more than it is"),
        pytest.param(-10, {}, [], None, id="net short at the limit"),
        pytest.param(-11, {}, [], "RC-B02", id="net short beyond"),
        pytest.param(11, {}, [an_open_order(-5, n=2)], "RC-B02", id="an open sell need not fill"),
        pytest.param(5, {COINS: -9_000}, [], None, id="towards zero from beyond the limit"),
        pytest.param(-5, {BOOK: 30}, [], None, id="shrinking from beyond the limit"),
    ],
)
def test_net_exposure(lots: int, positions: dict[tuple[str, str], int], in_the_market: list[Any], expected: str | None) -> None:
    view = a_view(positions=positions, open_orders=in_the_market, allow_short=True)
    assert code(ask("net_exposure", a_leg(lots), view, the_limits(a_limit("max_net_exposure", 1_000)))) == expected


def test_what_a_batch_approves_is_in_the_net_exposure_of_the_rest_of_it() -> None:
    view, limits = a_view(), the_limits(a_limit("max_net_exposure", 1_000))
    assert ask("net_exposure", a_leg(6), view, limits) is None
    view.reserve(an_open_order(6))
    assert ask("net_exposure", a_leg(4), view, limits) is None
    assert code(ask("net_exposure", a_leg(5), view, limits)) == "RC-B02"


@pytest.mark.parametrize(
    ("cash", "lots", "in_the_market", "expected"),
    [
        pytest.param(1_000, 10, [], None, id="all of it"),
        pytest.param(999, 10, [], "RC-B03", id="a dollar short"),
        pytest.param(1_000, 5, [5], None, id="what is on order is taken already"),
        pytest.param(1_000, 6, [5], "RC-B03", id="what is on order leaves too little"),
        pytest.param(1_000, 10, [-50], None, id="an open sale takes none"),
        pytest.param(1_000, 11, [-50], "RC-B03", id="and brings none before it fills"),
    ],
)
def test_buying_power(cash: int, lots: int, in_the_market: list[int], expected: str | None) -> None:
    view = a_view(kind="cash", cash={"USD": cash}, open_orders=[an_open_order(n, strategy_id="slow") for n in in_the_market])
    assert code(ask("buying_power", a_leg(lots), view, the_limits())) == expected


@pytest.mark.parametrize("status", sorted(OPEN))
def test_an_order_that_may_still_fill_holds_its_cash_whatever_its_status(status: Status) -> None:
    view = a_view(kind="cash", cash={"USD": 1_000}, open_orders=[an_open_order(10, status=status)])
    assert code(ask("buying_power", a_leg(1), view, the_limits())) == "RC-B03"


def test_approvals_of_one_batch_never_take_more_cash_than_there_is() -> None:
    view = a_view(kind="cash", cash={"USD": 1_000})
    taken = 0
    for n in range(100):
        if ask("buying_power", a_leg(3, strategy_id="slow"), view, the_limits()) is None:
            view.reserve(an_open_order(3, strategy_id="slow", n=n))
            taken += 300
    assert (taken, view.free_cash()) == (900, 100)


@pytest.mark.parametrize(
    ("equity", "held", "lots", "expected"),
    [
        pytest.param(1_000, 0, 40, None, id="four times the equity"),
        pytest.param(1_000, 0, 41, "RC-B04", id="a lot more"),
        pytest.param(1_000, -20, -20, None, id="short as well as long"),
        pytest.param(1_000, -20, -21, "RC-B04", id="short beyond"),
        pytest.param(1_000, 90, -10, None, id="reducing what is too much"),
    ],
)
def test_margin(equity: int, held: int, lots: int, expected: str | None) -> None:
    view = a_view(cash={"USD": equity - held * 100}, positions={BOOK: held}, allow_short=True)
    assert code(ask("margin", a_leg(lots), view, the_limits())) == expected


def test_the_kind_of_account_says_which_of_the_two_holds() -> None:
    cash, margin = a_view(kind="cash", cash={"USD": 100}), a_view(kind="margin", cash={"USD": 100})
    assert code(ask("buying_power", a_leg(2), cash, the_limits())) == "RC-B03"
    assert ask("margin", a_leg(400), cash, the_limits()) is None
    assert ask("buying_power", a_leg(2), margin, the_limits()) is None


@pytest.mark.parametrize(
    ("allow_short", "held", "lots", "expected"),
    [
        pytest.param(False, 10, -10, None, id="selling what is held"),
        pytest.param(False, 10, -11, "RC-A16", id="selling more than is held"),
        pytest.param(True, 0, -5, None, id="short at the limit"),
        pytest.param(True, 0, -6, "RC-A16", id="short beyond"),
        pytest.param(True, 3, -8, None, id="flipping to the limit"),
    ],
)
def test_short_sale(allow_short: bool, held: int, lots: int, expected: str | None) -> None:
    limits = the_limits(a_limit("max_short_notional", 500, scope="symbol", key="ALFA"))
    view = a_view(positions={BOOK: held}, allow_short=allow_short)
    assert code(ask("short_sale", a_leg(lots), view, limits)) == expected


def test_what_is_hard_to_borrow_is_not_sold_short_and_the_rest_is() -> None:
    limits, view = the_limits(a_limit("max_short_notional", 0, scope="symbol", key="ALFA")), a_view(allow_short=True)
    assert code(ask("short_sale", a_leg(-1), view, limits)) == "RC-A16"
    assert ask("short_sale", a_leg(-1, instrument=COIN), view, limits) is None


@pytest.mark.parametrize(
    ("scope", "others", "expected"),
    [
        pytest.param("symbol", [("slow", "ALFA")] * 2, None, id="the third of a symbol"),
        pytest.param("symbol", [("slow", "ALFA")] * 3, "RC-B06", id="the fourth"),
        pytest.param("symbol", [("fast", "BTC/USD")] * 3, None, id="a symbol counts its own"),
        pytest.param("strategy", [("fast", "BTC/USD")] * 3, "RC-B06", id="a strategy's fourth"),
        pytest.param("strategy", [("slow", "ALFA")] * 3, None, id="a strategy counts its own"),
        pytest.param("account", [("slow", "BTC/USD")] * 3, "RC-B06", id="the account counts all"),
        pytest.param("fleet", [("slow", "BTC/USD")] * 2, None, id="all accounts"),
        pytest.param("fleet", [("slow", "BTC/USD")] * 3, "RC-B06", id="all accounts, beyond"),
    ],
)
def test_open_orders(scope: str, others: list[tuple[str, str]], expected: str | None) -> None:
    orders = [an_open_order(1, strategy_id=strategy, symbol=symbol, n=n) for n, (strategy, symbol) in enumerate(others)]
    limits = the_limits(a_limit("max_open_orders", 3, scope=scope, unit="count"))
    assert code(ask("open_orders", a_leg(1), a_view(open_orders=orders), limits)) == expected
    assert ask("open_orders", a_leg(-1), a_view(open_orders=orders, positions={BOOK: 1}), limits) is None


@pytest.mark.parametrize(
    ("scope", "mine", "theirs", "expected"), [("strategy", 4, 9, None), ("strategy", 5, 0, "RC-B07"), ("account", 3, 2, "RC-B07")]
)
def test_orders_of_a_second_are_limited_as_those_of_a_minute(scope: str, mine: int, theirs: int, expected: str | None) -> None:
    limits = the_limits(a_limit("max_orders_per_second", 5, scope=scope, unit="count"))
    view = a_view(flow=Flow(per_second={"fast": mine, "slow": theirs}))
    assert code(ask("order_rate", a_leg(1), view, limits)) == expected


def a_view_that_ordered(age: int, signal: Signal) -> View:
    flow = Flow(before={("fast", "ALFA", "buy", 5, 10_000): [(NOON - age, signal.signal_id)]})
    return a_view(flow=flow, positions={BOOK: -3})


@pytest.mark.parametrize(
    ("age", "lots", "price", "expected"),
    [
        pytest.param(0, 5, 10_000, "RC-A11", id="at the same moment"),
        pytest.param(SECOND - 1, 5, 10_000, "RC-A11", id="just within a bar"),
        pytest.param(SECOND, 5, 10_000, None, id="a bar later it is another decision"),
        pytest.param(0, 4, 10_000, None, id="another quantity"),
        pytest.param(0, 5, 10_001, None, id="another price"),
        pytest.param(0, -5, 10_000, None, id="the other side"),
    ],
)
def test_duplicate(age: int, lots: int, price: int, expected: str | None) -> None:
    view = a_view_that_ordered(age, a_signal(bar_time=NOON - 9 * SECOND))
    assert code(ask("duplicate", a_leg(lots, price=price), view, the_limits())) == expected


def test_on_longer_bars_two_seconds_have_to_pass() -> None:
    other, slow = a_signal(bar_time=NOON - 9 * SECOND), a_signal(timeframe="1m")
    for age, expected in ((ALIKE - 1, "RC-A11"), (ALIKE, None)):
        assert code(ask("duplicate", a_leg(5)._replace(signal=slow), a_view_that_ordered(age, other), the_limits())) == expected


def test_the_second_order_of_a_signal_is_no_duplicate_of_its_first() -> None:
    assert ask("duplicate", a_leg(5), a_view_that_ordered(0, a_signal()), the_limits()) is None


def test_of_two_signals_that_want_the_same_order_the_first_is_approved() -> None:
    twins = [a_signal(0.1, strategy_id="fast"), a_signal(0.1, strategy_id="fast", timeframe="1m", bar_time=NOON - 60 * SECOND)]
    view = a_view()
    [first] = assess_all([], twins[:1], view, the_limits())
    view.open_orders.clear()  # it has ended at once, unfilled
    fresh = a_view(flow=view.flow)
    [second] = assess_all([], twins[1:], fresh, the_limits())
    assert (first.kind, second.kind, code(second.refusal)) == ("APPROVED", "REFUSED", "RC-A11")


@pytest.mark.parametrize(("entries", "expected"), [(2, None), (3, ("RC-B09", True))])
def test_repeated_entries(entries: int, expected: tuple[str, bool] | None) -> None:
    limits = the_limits(a_limit("max_repeated_entries", 3, scope="strategy", unit="count"))
    view = a_view(flow=Flow(entries={BOOK: entries, OTHER_BOOK: 99}))
    refusal = ask("repeated_entries", a_leg(1), view, limits)
    assert (None if refusal is None else (refusal.code, refusal.disables)) == expected
    assert ask("repeated_entries", a_leg(-1), a_view(flow=view.flow, positions={BOOK: 1}), limits) is None


def test_a_disabled_strategy_may_only_reduce_for_the_rest_of_the_batch_and_the_others_go_on() -> None:
    limits = the_limits(a_limit("max_repeated_entries", 3, scope="strategy", key="fast", unit="count"))
    view = a_view(flow=Flow(entries={BOOK: 3}), positions={("fast", "BTC/USD"): 100})
    signals = [
        a_signal(0.1),
        a_signal(0.0, symbol="BTC/USD", reference_price=20_000.0),
        a_signal(0.1, strategy_id="slow"),
        a_signal(0.1, bar_time=NOON),
    ]
    verdicts = assess_all([], signals, view, limits)
    assert [(v.kind, code(v.refusal)) for v in verdicts] == [
        ("REFUSED", "RC-B09"),
        ("APPROVED", None),
        ("APPROVED", None),
        ("REFUSED", "RC-C01"),
    ]


FLEET = Others(50_000.0, 500.0, -300.0, 500.0, {"ALFA": (-200.0, 500.0)}, 2, 2, 2)


@pytest.mark.parametrize(
    ("control", "limit", "lots", "expected"),
    [
        pytest.param("position", a_limit("max_position_notional", 1_000, scope="fleet"), 5, None, id="position at the limit"),
        pytest.param("position", a_limit("max_position_notional", 1_000, scope="fleet"), 6, "RC-B01", id="position beyond"),
        pytest.param("position", a_limit("max_position_notional", 1_000, scope="fleet"), -8, None, id="short position"),
        pytest.param("position", a_limit("max_position_notional", 1_000, scope="fleet"), -9, "RC-B01", id="short position beyond"),
        pytest.param("gross_exposure", a_limit("max_gross_exposure", 1_000, scope="fleet"), 5, None, id="gross"),
        pytest.param("gross_exposure", a_limit("max_gross_exposure", 1_000, scope="fleet"), -6, "RC-B02", id="gross beyond"),
        pytest.param("net_exposure", a_limit("max_net_exposure", 1_000, scope="fleet"), 5, None, id="net"),
        pytest.param("net_exposure", a_limit("max_net_exposure", 1_000, scope="fleet"), 6, "RC-B02", id="net beyond"),
        pytest.param("net_exposure", a_limit("max_net_exposure", 1_000, scope="fleet"), -7, None, id="net short"),
        pytest.param("net_exposure", a_limit("max_net_exposure", 1_000, scope="fleet"), -8, "RC-B02", id="net short beyond"),
        pytest.param("gross_exposure", a_limit("max_gross_exposure", 0.01, scope="fleet", unit="equity"), 10, None, id="of all equity"),
        pytest.param("gross_exposure", a_limit("max_gross_exposure", 0.01, scope="fleet", unit="equity"), 11, "RC-B02", id="beyond it"),
        pytest.param("open_orders", a_limit("max_open_orders", 3, scope="fleet", unit="count"), 1, None, id="open orders"),
        pytest.param("open_orders", a_limit("max_open_orders", 2, scope="fleet", unit="count"), 1, "RC-B06", id="open orders beyond"),
        pytest.param("order_rate", a_limit("max_orders_per_minute", 3, scope="fleet", unit="count"), 1, None, id="of a minute"),
        pytest.param("order_rate", a_limit("max_orders_per_minute", 2, scope="fleet", unit="count"), 1, "RC-B07", id="of a minute beyond"),
        pytest.param("order_rate", a_limit("max_orders_per_second", 2, scope="fleet", unit="count"), 1, "RC-B07", id="of a second beyond"),
    ],
)
def test_a_limit_of_the_fleet_counts_what_the_other_accounts_hold(control: str, limit: Any, lots: int, expected: str | None) -> None:
    assert code(ask(control, a_leg(lots), a_view(others=FLEET, allow_short=True), the_limits(limit))) == expected


def test_where_nobody_can_say_what_the_others_hold_entries_are_refused_and_exits_pass() -> None:
    limits = the_limits(a_limit("max_gross_exposure", 1e9, scope="fleet"))
    signals = [a_signal(0.1), a_signal(0.0, strategy_id="slow")]
    verdicts = assess_all([], signals, a_view(positions={OTHER_BOOK: 5}, others_unknown="no rate"), limits)
    assert [(v.kind, code(v.refusal)) for v in verdicts] == [("REFUSED", "RC-ERR"), ("APPROVED", None)]
