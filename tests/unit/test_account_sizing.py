"""How an account and a strategy's own closed trades scale a position: known values, bounds, whole lots."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.orders import Exits, Side
from libs.domain.sizings import Sizing
from libs.quant.backtest.play import play
from libs.quant.closed_trades import Close, edge_of
from libs.quant.risk.size import desired_lots
from libs.quant.risk.view import SIZED, Terms, View
from libs.quant.sizing_factors import Edge
from tests.factories import INSTRUMENTS, a_limit, a_setup, a_signal, a_strategy, a_tape, a_view, columns, the_limits, walks

SOME_EDGE = Edge(40, 24, 0.02, 0.02)  # Kelly: 0.6 - 0.4 = 0.2


def sized(rule: Sizing, **changed: object) -> View:
    exits = Exits(stop_bps=200)
    return a_view(terms={"fast": Terms(1.0, sizing=rule, exits=exits)}, checks=[], **changed)


def lots(view: View, target: float = 1.0) -> int:
    return desired_lots(a_signal(target=target, reference_price=100.0), view, the_limits())


@pytest.mark.parametrize(
    ("rule", "changed", "expected"),
    [
        (Sizing(), {}, 1000),
        (Sizing("risk", 0.01), {}, 500),  # 1 % of 100,000 is lost by 500 shares that fall by 2
        (Sizing("risk", 0.5), {}, 1000),
        (Sizing(kelly=0.5), {"edges": {"fast": SOME_EDGE}}, 100),
        (Sizing(kelly=0.5), {"edges": {"slow": SOME_EDGE}}, 500),  # of its own nothing is known yet
        (Sizing(kelly=1.0), {"edges": {"fast": Edge(40, 10, 0.01, 0.02)}}, 0),
        (Sizing(drawdown=0.2), {"peak": 100_000.0}, 1000),
        (Sizing(drawdown=0.2), {}, 1000),
        (Sizing(drawdown=0.2), {"peak": 125_000.0}, 0),
        (Sizing(drawdown=0.5), {"peak": 125_000.0}, 750),  # 0.3 / (0.5 x 0.8)
        (Sizing("fixed", 40.0, None, 0.5, 0.5), {"peak": 125_000.0, "edges": {"fast": SOME_EDGE}}, 3),
    ],
)
def test_a_position_is_as_large_as_every_factor_leaves_it(rule: Sizing, changed: dict[str, object], expected: int) -> None:
    assert lots(sized(rule, **changed)) == expected


def test_every_factor_is_noted_with_what_it_follows_from() -> None:
    view = sized(Sizing("risk", 0.01, None, 0.5, 0.5), peak=125_000.0, edges={"fast": SOME_EDGE})
    lots(view)
    assert view.checks is not None
    assert [(check.what, round(float(check.seen or 0), 9)) for check in view.checks if check.code == SIZED] == [
        ("risk:0.01, stop at 0.02 of the price", 0.5),
        ("kelly:0.5, 24 of 40 closed trades won, mean win 0.02, mean loss 0.02", 0.1),
        ("drawdown:0.5, 0.2 below the peak", 0.75),
    ]


def test_a_target_of_nothing_asks_for_no_factor() -> None:
    view = sized(Sizing(kelly=0.5))
    assert lots(view, 0.0) == 0
    assert view.checks == []


@given(
    kelly=st.floats(0.01, 1),
    most=st.floats(0.01, 1),
    peak=st.floats(1e5, 1e6),
    fallen_more=st.floats(0, 1e6),
    wins=st.integers(0, 40),
    target=st.floats(-1, 1),
)
def test_factors_only_ever_shrink_and_a_deeper_fall_never_enlarges(
    kelly: float, most: float, peak: float, fallen_more: float, wins: int, target: float
) -> None:
    view = sized(Sizing(kelly=kelly, drawdown=most), peak=peak, edges={"fast": Edge(40, wins, 0.02, 0.01)}, allow_short=True)
    plain = replace(view, terms={"fast": Terms(1.0)})
    deeper = replace(view, peak=peak + fallen_more)
    assert abs(lots(deeper, target)) <= abs(lots(view, target)) <= abs(lots(plain, target))
    assert isinstance(lots(view, target), int)


def test_limits_hold_for_a_composed_size_too() -> None:
    view = sized(Sizing("risk", 0.01))
    limits = the_limits(a_limit("max_position_notional", 20_000, scope="strategy"))
    assert desired_lots(a_signal(target=1.0, reference_price=100.0), view, limits) == 200


# --- closed trades


def a_close(
    n: int, pnl: str, *, order: int | None = None, side: Side = "sell", price: str = "110", fee: str = "0", paid: str = "USD"
) -> Close:
    ids = UUID(int=n if order is None else order), UUID(int=n)
    return Close(n, *ids, "ALFA", side, Decimal(10), Decimal(price), Decimal(pnl), Decimal(fee), paid)


def test_an_edge_is_counted_in_returns_on_what_was_put_in() -> None:
    long, short = a_close(1, "100"), a_close(2, "-100", side="buy")  # 1,000 put in became 1,100; 1,000 sold was bought back for 1,100
    assert edge_of([long, short], INSTRUMENTS) == Edge(2, 1, 0.1, 0.1)


def test_closes_of_one_order_are_one_trade() -> None:
    assert edge_of([a_close(1, "100", order=7), a_close(2, "-100", order=7, price="90")], INSTRUMENTS) == Edge(1, 0, 0.0, 0.0)


def test_fees_of_both_ways_are_taken_off_where_they_can_be_compared() -> None:
    assert edge_of([a_close(1, "100", fee="60")], INSTRUMENTS) == Edge(1, 0, 0.0, 0.02)
    assert edge_of([a_close(1, "100", fee="60", paid="BNB")], INSTRUMENTS) == Edge(1, 1, 0.1, 0.0)


@given(st.permutations([a_close(n, str(pnl), order=1 + n // 2) for n, pnl in enumerate((13, -7, 101, 3, -55, 29, -1, 17))]))
def test_the_order_of_closes_changes_nothing_to_the_last_digit(closes: list[Close]) -> None:
    assert edge_of(closes, INSTRUMENTS) == edge_of(sorted(closes), INSTRUMENTS)


def test_a_backtest_sizes_by_its_own_closed_trades_and_its_own_fall() -> None:
    tape = a_tape(walks(3, 400, "ALFA"))
    plain, scaled = (play(tape, a_setup(a_strategy(sizing=text))) for text in ("fixed:1000", "fixed:1000 * kelly:1 * drawdown:0.9"))
    first, last = scaled.orders[0], scaled.orders[-1]
    assert first.quantity == 1000
    assert sum(order.quantity for order in scaled.orders) < sum(order.quantity for order in plain.orders)
    assert len(scaled.trades) > 60
    assert last.quantity < 1000


def test_a_backtest_measures_the_fall_from_a_peak_between_its_orders_whether_a_limit_is_set_or_not() -> None:
    tape = a_tape({"ALFA": columns([100.0, 101.0, 101.5, 130.0, 129.0, 110.0, 111.0, 111.0])})
    played = play(tape, a_setup(a_strategy(sizing="fixed:1000 * drawdown:0.5")))
    assert [order.quantity for order in played.orders] == [
        1000,
        1000,
        815,
    ]  # 128,500 at its peak, 108,500 when it buys again
