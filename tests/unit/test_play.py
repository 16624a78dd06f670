"""The event path of the backtester: signals into orders, orders into fills, fills into books, worked out by hand and as properties."""

from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.domain.actions import CorporateAction
from libs.domain.books import signed
from libs.domain.columns import Columns, QuoteColumns
from libs.domain.configuration import LimitName
from libs.domain.ledger import imbalance
from libs.domain.orders import Exits, Order
from libs.quant.backtest.play import play
from libs.quant.backtest.report import equity_curve, figures
from libs.quant.backtest.result import Played
from libs.quant.backtest.setup import Entry, Setup
from libs.quant.backtest.summary import summary_of
from libs.quant.backtest.tape import Tape
from libs.quant.fills import FillTerms
from tests.factories import MINUTE, NOON, Prices, a_limit, a_setup, a_strategy, a_tape, columns, the_limits, walks
from tests.paper import ALFA, D

FREE = FillTerms(bar_participation=None)
SHORTING: dict[str, Any] = {"params": {"lookback": 1, "every": 1, "short": 1}, "sizing": "fixed:10"}


def minute(at: int) -> int:
    return (at - NOON) // MINUTE


def alfa(*bars: Prices | float, volume: float = 1e6) -> Tape:
    return a_tape({"ALFA": columns(bars, volume=volume)})


def ordered(played: Played) -> list[tuple[str, str, int, str]]:
    """(kind, side, quantity, where it ended) of each order."""
    return [(o.order_type, o.side, int(o.quantity), str(played.statuses[o.client_order_id])) for o in played.orders]


def traded(played: Played) -> list[tuple[int, str, int, str]]:
    """(minute, side, quantity, price) of each fill."""
    return [(minute(t.executed_at), t.side, int(t.quantity), str(t.executed_price)) for t in played.trades]


def held(played: Played) -> dict[tuple[str, str], int]:
    return {key: int(position.quantity) for key, position in played.positions.items() if position.quantity}


# --- the yardstick: ten units while the close has just risen, bought and sold at the next open

YARDSTICK = [
    (100.00, 100.00),
    (100.00, 100.50),  # up
    (100.60, 101.00),
    (101.00, 101.00),
    (101.20, 100.00),  # down
    (99.90, 99.00),
    (99.00, 99.00),
    (99.10, 100.00),  # up
    (100.30, 99.50),  # down
    (99.40, 99.00),
    (99.00, 102.00),  # up
    (102.10, 101.00),  # down, on the last bar
]
"""Open and close of twelve minutes."""

TAPE = alfa(*((open_, max(open_, close), min(open_, close), close) for open_, close in YARDSTICK))
COSTS = FillTerms(bar_participation=None, fee_bps=D(10), slippage_bps=D(5))


def test_the_yardstick_buys_and_sells_at_the_next_open_with_slippage_against_it() -> None:
    played = play(TAPE, a_setup(terms=COSTS))
    assert [(minute(signal.bar_time), signal.target) for signal in played.signals] == [(1, 1), (4, 0), (7, 1), (8, 0), (10, 1), (11, 0)]
    assert ordered(played) == [("market", side, 10, "FILLED") for side in ("buy", "sell", "buy", "sell", "buy")]
    assert traded(played) == [
        (2, "buy", 10, "100.66"),
        (5, "sell", 10, "99.85"),
        (8, "buy", 10, "100.36"),
        (9, "sell", 10, "99.35"),
        (11, "buy", 10, "102.16"),
    ]


def test_the_yardsticks_money_is_exact() -> None:
    played = play(TAPE, a_setup(terms=COSTS))
    assert [trade.commission for trade in played.trades] == [D("1.0066"), D("0.9985"), D("1.0036"), D("0.9935"), D("1.0216")]
    assert [trade.pnl for trade in played.trades] == [0, D("-8.1"), 0, D("-10.1"), 0]
    assert played.ledger() == {
        ("", "cash", "USD"): D(100_000),
        ("", "equity", "USD"): D(-100_000),
        ("fast", "cash", "USD"): D("-1044.8238"),
        ("fast", "trading", "USD"): D("1039.8"),
        ("fast", "fees", "USD"): D("5.0238"),
        ("fast", "position", "ALFA"): D(10),
        ("fast", "trading", "ALFA"): D(-10),
    }


def test_the_yardsticks_figures() -> None:
    played = play(TAPE, a_setup(terms=COSTS))
    curve = equity_curve(TAPE, summary_of(TAPE, played))
    found = figures(TAPE, summary_of(TAPE, played), D(100_000), curve)
    high, low = 100_000 - 1007.6066 + 1010, 100_000 - 1044.8238 + 1010
    assert curve.values[[1, 2, 4, 11]].tolist() == pytest.approx([100_000, high, high - 10, low])
    assert (found.orders, found.trades, found.bars, found.refused) == (5, 5, 12, 0)
    assert (found.final_equity, found.fees) == pytest.approx((low, 5.0238))
    assert (found.total_return, found.max_drawdown) == pytest.approx((low / 100_000 - 1, (high - low) / high))


def test_on_the_last_bar_something_is_ordered_only_when_asked_for() -> None:
    played = play(TAPE, a_setup(terms=COSTS, orders_on_last_bar=True))
    assert ordered(played)[-1] == ("market", "sell", 10, "ACKED")
    assert len(played.trades) == 5


def test_quotes_after_the_last_bar_still_fill() -> None:
    late = QuoteColumns([NOON + 2 * MINUTE + 7], [100.0], [101.0], [50.0], [50.0])
    tape = replace(alfa(100.0, 101.0), fill_on={"ALFA": "quote"}, quotes={"ALFA": late})
    played = play(tape, a_setup(orders_on_last_bar=True))
    assert [(t.executed_at, t.executed_price) for t in played.trades] == [(NOON + 2 * MINUTE + 7, D("101.00"))]


def test_nothing_happens_on_an_empty_market_or_without_signals() -> None:
    for tape in (alfa(), alfa(100.0, 100.0, 100.0)):
        played = play(tape, a_setup())
        assert (played.signals, played.orders, played.positions, len(played.balances)) == ([], [], {}, 1)


def test_strategies_with_nothing_to_run_on_are_named() -> None:
    assert play(TAPE, a_setup(a_strategy(timeframe="1h"))).left_out == ["fast: no 1h bars in this market, it has 1m"]


# --- naked orders of every kind (risk off)


@pytest.mark.parametrize(
    ("entry", "opens", "expected"),
    [
        pytest.param(Entry(kind="limit", offset_bps=100), (101, 101.5, 99.90, 101), [(2, "buy", 10, "99.99")], id="limit below the close"),
        pytest.param(Entry(kind="limit", offset_bps=100), (101, 101.5, 99.99, 101), [], id="limit only touched"),
        pytest.param(Entry(kind="stop", offset_bps=100), (101, 102.5, 100, 101), [(2, "buy", 10, "102.01")], id="stop above the close"),
        pytest.param(Entry(kind="stop", offset_bps=100), (101, 102, 100, 101), [], id="stop not reached"),
        pytest.param(Entry(kind="stop_limit", offset_bps=100, limit_bps=10), (102.20, 103, 102, 103), [], id="stop-limit gapped over"),
        pytest.param(
            Entry(kind="stop_limit", offset_bps=100, limit_bps=10), (102.10, 103, 102, 103), [(2, "buy", 10, "102.10")], id="stop-limit"
        ),
    ],
)
def test_entries_of_each_kind_stand_at_their_distance_from_the_close(
    entry: Entry, opens: Prices, expected: list[tuple[int, str, int, str]]
) -> None:
    assert traded(play(alfa(100.0, 101.0, opens), a_setup(entry=entry))) == expected


@pytest.mark.parametrize(
    ("entry", "bar", "expected"),
    [
        pytest.param(Entry(kind="limit", offset_bps=100), (100, 101.01, 100, 100), [(2, "sell", 10, "101.00")], id="limit above the close"),
        pytest.param(Entry(kind="limit", offset_bps=100), (100, 101.00, 90, 100), [], id="limit only touched"),
        pytest.param(Entry(kind="stop", offset_bps=100), (100, 110, 99, 100), [(2, "sell", 10, "99.00")], id="stop below the close"),
        pytest.param(Entry(kind="stop_limit", offset_bps=100, limit_bps=10), (98.89, 98.89, 98, 98), [], id="stop-limit gapped over"),
    ],
)
def test_sales_of_each_kind_stand_on_the_other_side(entry: Entry, bar: Prices, expected: list[tuple[int, str, int, str]]) -> None:
    setup = a_setup(a_strategy("momentum", **SHORTING), allow_short=True, entry=entry)
    assert traded(play(alfa(101.0, 100.0, bar), setup)) == expected


def test_without_risk_a_flip_is_one_order() -> None:
    played = play(alfa(100.0, 101.0, 102.0, 101.0, 101.0), a_setup(a_strategy("momentum", **SHORTING), allow_short=True))
    assert traded(played) == [(2, "buy", 10, "102.00"), (4, "sell", 20, "101.00")]


def test_without_risk_more_is_bought_than_there_is_cash() -> None:
    played = play(alfa(100.0, 101.0, 101.0), a_setup(deposit=D(500)))
    assert played.balances[-1] == (NOON + 3 * MINUTE, -510.0, {"ALFA": 10.0})


def test_without_short_selling_a_short_target_is_flat() -> None:
    played = play(alfa(100.0, 101.0, 102.0, 101.0, 101.0), a_setup(a_strategy("momentum", **SHORTING)))
    assert traded(played) == [(2, "buy", 10, "102.00"), (4, "sell", 10, "101.00")]


# --- orders that are still open


def test_a_new_target_cancels_what_is_open_and_closes_what_was_filled() -> None:
    tape = alfa(100.0, 101.0, 100.0, 100.0, volume=60.0)  # six units a bar
    played = play(tape, a_setup(terms=FillTerms()))
    assert ordered(played) == [("market", "buy", 10, "CANCELED"), ("market", "sell", 6, "FILLED")]
    assert traded(played) == [(2, "buy", 6, "100.00"), (3, "sell", 6, "100.00")]


def test_an_order_that_is_canceled_before_it_meets_a_bar_leaves_nothing() -> None:
    played = play(alfa(100.0, 101.0, 100.0, 100.0, 100.0, 100.0), a_setup(latency_ns=2 * MINUTE))
    assert ordered(played) == [("market", "buy", 10, "CANCELED")]
    assert traded(played) == []


def test_a_latency_of_two_bars_fills_two_bars_later() -> None:
    assert traded(play(alfa(100.0, 101.0, 102.0, 103.0, 104.0), a_setup(latency_ns=2 * MINUTE))) == [(4, "buy", 10, "104.00")]


def test_an_open_order_that_leads_to_the_target_is_left_alone() -> None:
    closes = [100.0, 101.0, 100.0, 101.0, 101.0, 101.0]
    slow = a_setup(a_strategy(params={"fast": 1, "slow": 2}), latency_ns=10 * MINUTE)
    assert [status for *_, status in ordered(play(alfa(*closes), slow))] == ["CANCELED", "ACKED"]


def test_a_partly_filled_order_goes_on_at_later_opens() -> None:
    played = play(alfa(100.0, 101.0, 102.0, 103.0, 104.0, volume=40.0), a_setup(terms=FillTerms()))
    assert traded(played) == [(2, "buy", 4, "102.00"), (3, "buy", 4, "103.00"), (4, "buy", 2, "104.00")]
    assert played.positions["fast", "ALFA"].avg_cost == D("102.8")


@pytest.mark.parametrize(
    ("symbol", "effective"),
    [
        pytest.param("ALFA", NOON - MINUTE, id="before the beginning"),
        pytest.param("BRVO", NOON + 3 * MINUTE, id="of a symbol that is not played"),
    ],
)
def test_actions_of_other_times_and_symbols_leave_open_orders_alone(symbol: str, effective: int) -> None:
    split = CorporateAction(venue="TEST", symbol=symbol, effective=effective, kind="split", ratio=D(2))
    played = play(replace(alfa(100.0, 101.0, 102.0, 103.0, 104.0), actions=[split], since=NOON), a_setup())
    assert ordered(played) == [("market", "buy", 10, "FILLED")]


# --- with risk


def guarded(*strategies: Any, **changed: Any) -> Setup:
    return a_setup(*strategies, **({"limits": the_limits()} | changed))


def test_with_risk_orders_are_limits_at_the_collar_that_live_for_the_next_bar() -> None:
    played = play(alfa(100.0, 101.0, 102.0, 103.0), guarded())
    [order] = played.orders
    assert (order.order_type, order.price, order.time_in_force) == ("limit", D("103.02"), "GTD")
    assert (minute(order.decided_at), minute(order.expires_at)) == (2, 3)
    assert traded(played) == [(2, "buy", 10, "102.00")]


def test_an_open_beyond_the_collar_is_not_bought_and_not_tried_again() -> None:
    played = play(alfa(100.0, 101.0, 103.10, 104.0, 101.0, 100.0), guarded())
    assert ordered(played) == [("limit", "buy", 10, "EXPIRED")]
    assert traded(played) == []


def test_what_risk_refuses_is_listed_with_its_reason() -> None:
    small = a_limit("max_order_notional", 500.0, scope="order")
    played = play(alfa(100.0, 101.0, 102.0, 101.0, 101.0), guarded(limits=the_limits(small)))
    assert [(minute(r.signal.bar_time), r.refusal.code, r.refusal.limit) for r in played.refused] == [(1, "RC-A05", "500.00")]
    assert played.orders == []


def test_what_is_killed_is_not_traded() -> None:
    played = play(alfa(100.0, 101.0, 102.0), guarded(killed={("symbol", "ALFA"): "halt"}))
    assert [refused.refusal.code for refused in played.refused] == ["RC-C01"]


def test_orders_of_the_last_minute_count_against_the_rate() -> None:
    seconds = {"1s": {"ALFA": columns([100.0, 101.0, 100.0, 101.0, 100.0, 101.0, 100.0], step=MINUTE // 60)}}
    rate = a_limit("max_orders_per_minute", 3, scope="account", unit="count")
    played = play(a_tape({}, bars=seconds, instruments={"ALFA": ALFA}, fill_on={"ALFA": "bar"}), guarded(limits=the_limits(rate)))
    assert len(played.orders) == 3
    assert [refused.refusal.code for refused in played.refused] == ["RC-B07"]


def test_a_flip_sells_what_is_held_and_goes_short_when_that_is_filled() -> None:
    five = columns([100.0, 101.0, 99.0], step=5 * MINUTE)
    tape = a_tape({"ALFA": columns([100.0] * 20)}, bars={"1m": {"ALFA": columns([100.0] * 20)}, "5m": {"ALFA": five}})
    played = play(tape, guarded(a_strategy("momentum", timeframe="5m", **SHORTING), allow_short=True))
    assert traded(played) == [(10, "buy", 10, "100.00"), (15, "sell", 10, "100.00"), (16, "sell", 10, "100.00")]
    assert [(order.leg, order.signal_id == played.signals[-1].signal_id) for order in played.orders] == [(0, False), (0, True), (1, True)]


def test_an_exit_of_a_flip_that_the_venue_turned_down_is_not_tried_again() -> None:
    falling = columns([100.0, 99.0, 98.0, 97.0, 96.0, 95.0, 100.0, 101.0])
    beta = columns([100.0, 100.0, 100.0, 101.0, 101.0, 101.0, 101.0, 101.0])  # bought with what the short sale brought
    strategies = (
        a_strategy("momentum", "a", symbols=["ALFA"], **SHORTING),
        a_strategy("sma_cross", "b", symbols=["BETA"], sizing="fixed:18"),
    )
    played = play(a_tape({"ALFA": falling, "BETA": beta}), guarded(*strategies, deposit=D(1000), allow_short=True))
    assert ordered(played) == [("limit", "sell", 10, "FILLED"), ("limit", "buy", 18, "FILLED"), ("limit", "buy", 10, "REJECTED")]


def test_strategies_of_one_account_share_its_cash() -> None:
    both = a_strategy(strategy_id="one", sizing="fixed:600"), a_strategy(strategy_id="two", sizing="fixed:600")
    played = play(alfa(100.0, 101.0, 101.0), guarded(*both))
    assert ordered(played) == [("limit", "buy", 600, "FILLED")]
    assert [refused.refusal.code for refused in played.refused] == ["RC-B03"]
    assert held(played) == {("one", "ALFA"): 600}


def test_strategies_hold_books_of_their_own_in_one_symbol() -> None:
    both = a_strategy(strategy_id="one"), a_strategy("momentum", "two", params={"lookback": 2, "every": 1}, sizing="fixed:5")
    played = play(alfa(100.0, 101.0, 102.0, 101.5, 101.5), guarded(*both))
    assert [(t.strategy_id, *row) for t, row in zip(played.trades, traded(played), strict=True)] == [
        ("one", 2, "buy", 10, "102.00"),
        ("two", 3, "buy", 5, "101.50"),
        ("one", 4, "sell", 10, "101.50"),
    ]
    assert held(played) == {("two", "ALFA"): 5}


def test_a_share_of_equity_is_of_what_the_whole_account_is_worth_at_the_close() -> None:
    half = a_strategy(strategy_id="half", sizing="equity", allocation=0.5, symbols=["BETA"])
    first = a_strategy(strategy_id="first", sizing="fixed:100", symbols=["ALFA"])
    tape = a_tape({"ALFA": columns([100.0, 101.0, 101.0, 111.0, 111.0]), "BETA": columns([50.0, 50.0, 50.0, 50.5, 50.5])})
    played = play(tape, guarded(half, first))
    assert played.orders[-1].quantity == D(int(0.5 * (100_000 + 100 * 10) / 50.5))


# --- exits


def exits_of(exits: Exits, *bars: Prices | float, **changed: Any) -> Played:
    """What becomes of ten units bought at 100.00 in minute 2, with exits."""
    return play(alfa(98.0, 99.0, *bars), a_setup(exits=exits, **changed))


ENTRY = (100.0, 100.0, 90.0, 100.0)
"""The bar of the entry: what it touches came before there was anything to protect, or may have."""


@pytest.mark.parametrize(
    ("exits", "bars", "expected"),
    [
        pytest.param(Exits(stop_bps=200), [(99, 100, 98, 100)], [(3, "sell", 10, "98.00")], id="stop"),
        pytest.param(Exits(stop_bps=200), [(97, 98, 96, 98)], [(3, "sell", 10, "97.00")], id="stop gapped over"),
        pytest.param(Exits(stop_bps=200), [(100, 101, 98.01, 101)], [], id="stop not touched"),
        pytest.param(Exits(target_bps=300), [(100, 104, 99, 100.5)], [(3, "sell", 10, "103.00")], id="target"),
        pytest.param(Exits(target_bps=300), [(104, 105, 103, 105)], [(3, "sell", 10, "104.00")], id="target gapped over"),
        pytest.param(Exits(stop_bps=200, target_bps=300), [(100, 104, 97, 101)], [(3, "sell", 10, "98.00")], id="both: the stop"),
        pytest.param(
            Exits(trail_bps=100), [(100, 102, 99.5, 101.5), (101.6, 101.9, 100.9, 101.7)], [(4, "sell", 10, "101.00")], id="trail"
        ),
        pytest.param(Exits(trail_bps=100), [(100, 102, 98.9, 101.5)], [(3, "sell", 10, "99.00")], id="trail where it stood before the bar"),
    ],
)
def test_a_position_is_protected_from_the_bar_after_its_fill(
    exits: Exits, bars: list[Prices], expected: list[tuple[int, str, int, str]]
) -> None:
    assert traded(exits_of(exits, ENTRY, *bars)) == [(2, "buy", 10, "100.00"), *expected]


def test_after_an_exit_the_target_of_before_is_not_bought_again_but_the_next_one_is() -> None:
    played = exits_of(Exits(stop_bps=200), ENTRY, (99, 101, 97, 101), (101, 101, 101, 101), 100.0, 101.0, 101.0)
    assert traded(played) == [(2, "buy", 10, "100.00"), (3, "sell", 10, "98.00"), (7, "buy", 10, "101.00")]


def test_an_exit_that_the_strategy_decides_takes_the_place_of_its_protection() -> None:
    played = exits_of(Exits(stop_bps=1000, target_bps=1000), ENTRY, 99.0, 98.0)
    assert ordered(played) == [
        ("market", "buy", 10, "FILLED"),
        ("stop", "sell", 10, "CANCELED"),
        ("limit", "sell", 10, "CANCELED"),
        ("market", "sell", 10, "FILLED"),
    ]


def test_a_stop_does_not_sell_again_what_the_strategy_sells_at_the_open() -> None:
    played = exits_of(Exits(stop_bps=200), ENTRY, 99.0, (99, 99, 90, 95))
    assert traded(played) == [(2, "buy", 10, "100.00"), (4, "sell", 10, "99.00")]


def test_exits_are_as_late_as_any_order() -> None:
    low = (99, 100, 97, 100)
    played = exits_of(Exits(stop_bps=200), ENTRY, low, low, low, low, latency_ns=MINUTE)  # bought at 99.00, protected from minute 4
    assert traded(played) == [(3, "buy", 10, "99.00"), (5, "sell", 10, "97.02")]


def test_the_exit_that_fills_cancels_the_other() -> None:
    played = exits_of(Exits(stop_bps=200, target_bps=300), ENTRY, (100, 104, 99, 101))
    assert ordered(played)[1:] == [("stop", "sell", 10, "CANCELED"), ("limit", "sell", 10, "FILLED")]


def test_each_part_filled_is_protected_at_the_average_cost_so_far() -> None:
    tape = alfa(98.0, 99.0, 100.0, 102.0, 102.0, volume=50.0)
    played = play(tape, a_setup(terms=FillTerms(), exits=Exits(stop_bps=1000)))
    stops = [order for order in played.orders if order.order_type == "stop"]
    assert [(order.quantity, order.stop_price) for order in stops] == [(D(5), D("90.00")), (D(10), D("90.90"))]
    assert [str(played.statuses[order.client_order_id]) for order in stops] == ["CANCELED", "ACKED"]


def test_a_short_position_is_protected_on_the_other_side() -> None:
    tape = alfa(101.0, 100.0, (100, 105, 99, 99.5), (100, 102, 99, 100))
    setup = a_setup(a_strategy("momentum", **SHORTING), allow_short=True, exits=Exits(stop_bps=150, target_bps=500))
    assert traded(play(tape, setup)) == [(2, "sell", 10, "100.00"), (3, "buy", 10, "101.50")]


def test_positions_filled_in_the_same_bar_are_protected_each_for_itself() -> None:
    alfa_bars, beta_bars = columns([98.0, 99.0, 100.0, (100, 100, 97, 99.5)]), columns([49.0, 49.5, 50.0, (50, 50, 48, 49.8)])
    played = play(a_tape({"ALFA": alfa_bars, "BETA": beta_bars}), a_setup(exits=Exits(stop_bps=200)))
    assert [(trade.symbol, trade.side, trade.executed_price) for trade in played.trades] == [
        ("ALFA", "buy", D("100.00")),
        ("BETA", "buy", D("50.00")),
        ("ALFA", "sell", D("98.00")),
        ("BETA", "sell", D("49.00")),
    ]


def test_with_risk_and_without_short_selling_both_exits_are_taken() -> None:
    played = exits_of(Exits(stop_bps=200, target_bps=300), ENTRY, (99, 100, 97, 101), limits=the_limits())
    assert ordered(played) == [("limit", "buy", 10, "FILLED"), ("stop", "sell", 10, "FILLED"), ("limit", "sell", 10, "CANCELED")]


# --- whatever the market and the terms

STRATEGIES = [
    a_strategy(strategy_id="cross", sizing="equity", allocation=0.4),
    a_strategy("momentum", "both", params={"lookback": 2, "every": 1, "short": 1}, sizing="fixed:120"),
    a_strategy("momentum_panel", "panel", params={"lookback": 3, "top": 1, "every": 2, "short": 1}, allocation=0.5),
]
SETUPS = st.fixed_dictionaries(
    {
        "terms": st.builds(
            FillTerms,
            half_spread_bps=st.sampled_from([D(0), D("1.5")]),
            slippage_bps=st.sampled_from([D(0), D(7)]),
            bar_participation=st.sampled_from([None, D("0.1"), D(1)]),
            fee_bps=st.sampled_from([D(0), D("0.333")]),
            fee_per_unit=st.sampled_from([D(0), D("0.0035")]),
            fee_min=st.sampled_from([D(0), D(1)]),
        ),
        "limits": st.sampled_from([None, the_limits(), the_limits(a_limit("max_gross_exposure", 0.8, unit="equity"))]),
        "allow_short": st.booleans(),
        "latency_ns": st.sampled_from([0, MINUTE]),
        "exits": st.builds(
            Exits, stop_bps=st.sampled_from([0, 60]), target_bps=st.sampled_from([0, 90]), trail_bps=st.sampled_from([0, 0, 70])
        ),
        "entry": st.builds(Entry, kind=st.sampled_from(["market", "limit", "stop", "stop_limit"]), offset_bps=st.sampled_from([5.0, 30.0])),
        "orders_on_last_bar": st.booleans(),
    }
)
MARKETS = st.builds(walks, st.integers(0, 10**9), st.integers(0, 60), st.just("ALFA"), st.just("BETA"), gaps=st.sampled_from([0.0, 0.2]))


def filled_of(played: Played) -> dict[Any, Decimal]:
    filled: defaultdict[Any, Decimal] = defaultdict(Decimal)
    for trade in played.trades:
        filled[trade.order_id] += trade.quantity
    return filled


@given(bars=MARKETS, changed=SETUPS)
@settings(max_examples=60, deadline=None)
def test_the_books_balance(bars: dict[str, Columns], changed: dict[str, Any]) -> None:
    played = play(a_tape(bars), a_setup(*STRATEGIES, **changed))
    assert imbalance(played.lines) == {}
    balances = played.ledger()
    cash = sum((amount for (_, account, _), amount in balances.items() if account == "cash"), D(0))
    assert cash == D(100_000) - sum((signed(t.side, t.quantity) * t.executed_price + t.commission for t in played.trades), D(0))
    assert played.balances[-1].cash == float(cash)
    positions = {(s, symbol): amount for (s, account, symbol), amount in balances.items() if account == "position"}
    assert positions == {key: position.quantity for key, position in played.positions.items()}


@given(bars=MARKETS, changed=SETUPS)
@settings(max_examples=40, deadline=None)
def test_every_order_is_told_to_its_end_and_none_is_filled_beyond_its_quantity(bars: dict[str, Columns], changed: dict[str, Any]) -> None:
    played = play(a_tape(bars), a_setup(*STRATEGIES, **changed))
    filled = filled_of(played)
    for order in played.orders:
        status, done = str(played.statuses[order.client_order_id]), filled.get(order.order_id, D(0))
        assert done <= order.quantity
        assert (status == "FILLED") is (done == order.quantity)
        assert not (done and status in ("REJECTED", "ACKED"))
    assert filled.keys() <= {order.order_id for order in played.orders}


@given(bars=MARKETS, changed=SETUPS)
@settings(max_examples=40, deadline=None)
def test_no_fill_is_at_a_price_that_was_not_traded_after_the_decision(bars: dict[str, Columns], changed: dict[str, Any]) -> None:
    played = play(a_tape(bars), a_setup(*STRATEGIES, **(changed | {"terms": FREE})))
    orders: dict[Any, Order] = {order.order_id: order for order in played.orders}
    for trade in played.trades:
        columns_ = bars[trade.symbol]
        row = columns_.start.index(trade.executed_at)
        assert columns_.low[row] <= float(trade.executed_price) <= columns_.high[row]
        assert trade.executed_at >= orders[trade.order_id].decided_at


@given(bars=MARKETS, changed=SETUPS)
@settings(max_examples=40, deadline=None)
def test_a_cash_account_is_never_short_of_cash_or_shares(bars: dict[str, Columns], changed: dict[str, Any]) -> None:
    careful = {"limits": the_limits(), "allow_short": False, "terms": FillTerms(fee_bps=D(2))}
    played = play(a_tape(bars), a_setup(*STRATEGIES, **(changed | careful)))
    assert all(balance.cash >= 0 and min(balance.units.values(), default=0) >= 0 for balance in played.balances)


@given(bars=MARKETS, changed=SETUPS)
@settings(max_examples=20, deadline=None)
def test_played_again_everything_is_the_same(bars: dict[str, Columns], changed: dict[str, Any]) -> None:
    setup = a_setup(*STRATEGIES, **changed)
    assert play(a_tape(bars), setup) == play(a_tape(bars), setup)


# --- loss limits


def losing(most: float, name: LimitName = "max_daily_loss") -> Setup:
    """The yardstick under a loss limit; its first trade is 6 below its cost when minute 4 closes, and 7 when it is sold."""
    return a_setup(limits=the_limits(a_limit(name, most, unit="fraction")))


@pytest.mark.parametrize("name", ["max_daily_loss", "max_drawdown"])
def test_a_halt_refuses_entries_from_its_bar_on_and_lets_the_exit_pass(name: LimitName) -> None:
    fall = {"max_daily_loss": 6 / 100_000, "max_drawdown": 10 / 100_004}[name]  # the close of 101 before was a peak
    played = play(TAPE, losing(fall * 0.999, name))
    assert [(halt.limit, minute(halt.at), halt.equity) for halt in played.halts] == [(name, 5, 99_994.0)]
    assert [(side, at) for at, side, _, _ in traded(played)] == [("buy", 2), ("sell", 5)]
    assert [(minute(r.signal.bar_time), r.refusal.code) for r in played.refused] == [(7, "RC-B05"), (10, "RC-B05")]
    assert held(played) == {}


def test_a_loss_limit_that_comes_later_halts_from_its_moment_on_and_counts_from_the_peak_before_it() -> None:
    tight = the_limits(a_limit("max_drawdown", 9.9 / 100_004, unit="fraction"))
    always = play(TAPE, a_setup(limits=tight))
    [halt] = always.halts
    played = play(TAPE, a_setup(limits=the_limits(), limit_changes=[(halt.at, tight)]))
    assert (played.halts, played.trades, played.refused) == ((halt,), always.trades, always.refused)
    a_minute_late = play(TAPE, a_setup(limits=the_limits(), limit_changes=[(halt.at + MINUTE, tight)]))
    assert [late.at for late in a_minute_late.halts] == [halt.at + MINUTE]


def test_orders_are_judged_by_the_limits_that_hold_when_they_are_decided() -> None:
    small = the_limits(a_limit("max_order_notional", 1.0))
    free = play(TAPE, a_setup(limits=the_limits()))
    entries = [signal.decided_at for signal in free.signals]
    from_the_second_on = play(TAPE, replace(a_setup(limits=the_limits()), limit_changes=[(entries[1] + 1, small)]))
    assert [at for at, *_ in traded(from_the_second_on)] == [at for at, *_ in traded(free)][:2]
    assert {refused.refusal.code for refused in from_the_second_on.refused} == {"RC-A05"}
    assert play(TAPE, replace(a_setup(limits=small), limit_changes=[(0, the_limits())])).trades == free.trades


def test_a_loss_that_a_limit_allows_changes_nothing() -> None:
    free, limited = play(TAPE, a_setup(limits=the_limits())), play(TAPE, losing(0.5))
    assert (limited.trades, limited.refused, limited.halts) == (free.trades, free.refused, ())


def test_signals_of_the_very_bar_that_halts_are_judged_after_it() -> None:
    halting = {"ALFA": columns([100.0, 101.0, 101.0, 90.0, 90.0]), "BRVO": columns([100.0, 100.0, 100.0, 101.0, 101.0])}
    played = play(a_tape(halting), losing(0.0005))
    assert [minute(halt.at) for halt in played.halts] == [4]
    assert [(r.signal.symbol, minute(r.signal.bar_time)) for r in played.refused] == [("BRVO", 3)]


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 1_000), st.floats(1e-5, 1e-3))
def test_no_order_after_a_halt_makes_a_position_grow(seed: int, most: float) -> None:
    tape = a_tape(walks(seed, 60, "ALFA", "BRVO"))
    played = play(tape, replace(losing(most), allow_short=True, strategies=(a_strategy("momentum", **SHORTING),)))
    for halt in played.halts[:1]:
        books: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        late = {o.order_id for o in played.orders if o.decided_at >= halt.at + o.leg}  # the rest of a flip is decided before the look
        for trade in played.trades:
            before = books[trade.strategy_id, trade.symbol]
            after = before + signed(trade.side, trade.quantity)
            books[trade.strategy_id, trade.symbol] = after
            assert trade.order_id not in late or (abs(after) < abs(before) and after * before >= 0)
