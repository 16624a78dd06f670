"""What a report says of a curve: equal to empyrical, to sums by hand, and to the fills it is made of."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Final

import empyrical
import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from libs.domain.actions import CorporateAction
from libs.quant.backtest.benchmark import buy_and_hold
from libs.quant.backtest.bins import bins, round_step
from libs.quant.backtest.costs import costs
from libs.quant.backtest.days import Days, days_of, months_of
from libs.quant.backtest.play import play
from libs.quant.backtest.report import Equity, equity_curve
from libs.quant.backtest.round_trips import round_trips, trip_figures
from libs.quant.backtest.statistics import exposure, measures, worst_falls
from libs.quant.backtest.summary import summary_of
from libs.quant.backtest.thinning import band, thinned
from libs.quant.fills import FillTerms
from tests.factories import MINUTE, NOON, SECOND, a_setup, a_strategy, a_tape, columns, walks
from tests.paper import D

DAY: Final = 86_400 * SECOND
MIDNIGHT: Final = NOON - DAY // 2  # 2025-01-06
THEIRS: Final[dict[str, Callable[..., float]]] = {
    "cagr": empyrical.cagr,
    "volatility": empyrical.annual_volatility,
    "sharpe": empyrical.sharpe_ratio,
    "sortino": empyrical.sortino_ratio,
    "calmar": empyrical.calmar_ratio,
    "max_drawdown": lambda values, annualization: -empyrical.max_drawdown(values),
}


def a_walk(seed: int, length: int) -> NDArray[np.float64]:
    return np.asarray(100_000 * np.cumprod(1 + np.random.default_rng(seed).normal(0.0002, 0.01, length)), np.float64)


@pytest.mark.parametrize("per_year", [252.0, 365.0, 98_280.0])
@pytest.mark.parametrize("name", THEIRS)
def test_figures_of_days_and_of_bars_are_those_of_empyrical(name: str, per_year: float) -> None:
    worth = a_walk(1, 2_000)
    returns = np.diff(np.concatenate(([100_000.0], worth))) / np.concatenate(([100_000.0], worth[:-1]))
    expected = THEIRS[name](returns, annualization=per_year)
    assert getattr(measures(worth, 100_000, per_year), name) == pytest.approx(expected, rel=1e-9)


def test_best_worst_and_the_longest_time_below_a_high_by_hand() -> None:
    found = measures(np.array([110.0, 99.0, 104.0, 110.0, 121.0, 120.0]), 100, 252)
    assert [found.best, found.worst, found.positive] == pytest.approx([0.1, -0.1, 4 / 6])
    assert found.longest_fall == 2


@pytest.mark.parametrize("worth", [[], [100.0, -5.0, 20.0], [100.0, 0.0]])
def test_an_account_without_returns_that_mean_something_has_no_figures(worth: Sequence[float]) -> None:
    found = measures(np.array(worth), 100, 252)
    assert (found.observations, found.cagr, found.sharpe, found.best, found.longest_fall) == (0, None, None, None, None)


# --- days and months


def test_a_bar_that_ends_at_midnight_is_the_last_of_its_day() -> None:
    times = np.array([MIDNIGHT - MINUTE, MIDNIGHT, MIDNIGHT + MINUTE, MIDNIGHT + 3 * DAY])
    days = days_of(Equity(times, np.array([1.0, 2.0, 3.0, 4.0])))
    assert days.dates == [date(2025, 1, 5), date(2025, 1, 6), date(2025, 1, 8)]
    assert days.values.tolist() == [2.0, 3.0, 4.0]


def test_a_day_begins_when_the_accounts_does_and_grace_makes_no_bar_late() -> None:
    evening = MIDNIGHT + 22 * 3600 * SECOND  # 17:00 in New York
    curve = Equity(np.array([evening + 250, evening + MINUTE + 250]), np.array([1.0, 2.0]))
    days = days_of(curve, "17:00", "America/New_York", grace_ns=250)
    assert days.dates == [date(2025, 1, 5), date(2025, 1, 6)]


def test_months_compound_to_their_year_and_years_to_the_whole() -> None:
    worth = a_walk(3, 700)
    first = date(2023, 5, 17).toordinal()
    months = months_of(Days([date.fromordinal(first + n) for n in range(700)], worth), 100_000)
    grown = {year: np.prod([1 + (of[n] or 0.0) for n in of if n]) for year, of in months.items()}
    assert {year: of[0] for year, of in months.items()} == pytest.approx({year: value - 1 for year, value in grown.items()})
    assert np.prod(list(grown.values())) == pytest.approx(worth[-1] / 100_000)
    assert sorted(months[2023])[:3] == [0, 5, 6]


# --- falls


@given(st.lists(st.floats(50, 150), max_size=40))
@settings(max_examples=25, deadline=None)
def test_the_worst_fall_is_the_largest_drawdown_and_falls_do_not_overlap(worth: list[float]) -> None:
    curve = Equity(np.arange(1, len(worth) + 1), np.array(worth))
    falls = worst_falls(curve, 100, 0, most=99)
    assert max((fall.depth for fall in falls), default=0.0) == pytest.approx(measures(curve.values, 100, 252).max_drawdown or 0.0)
    inside = sorted((fall.high_at, fall.recovered_at or len(worth) + 1) for fall in falls)
    assert all(before[1] <= after[0] for before, after in zip(inside, inside[1:], strict=False))


def test_a_fall_has_a_high_a_bottom_and_a_recovery() -> None:
    falls = worst_falls(Equity(np.arange(1, 8), np.array([110.0, 99.0, 105.0, 110.0, 120.0, 90.0, 100.0])), 100, 0)
    assert [(f.high_at, f.bottom_at, f.recovered_at) for f in falls] == [(5, 6, None), (1, 2, 4)]
    assert [f.depth for f in falls] == pytest.approx([0.25, 0.1])


# --- exposure and the benchmark


def test_exposure_counts_longs_and_shorts() -> None:
    tape = a_tape({"ALFA": columns([100.0, 101.0, 102.0, 103.0, 104.0]), "BETA": columns([100.0, 99.0, 98.0, 97.0, 96.0])})
    setup = a_setup(a_strategy("momentum", params={"lookback": 1, "every": 1, "short": 1}, sizing="fixed:10"), allow_short=True)
    played = play(tape, setup)
    summary = summary_of(tape, played)
    held = exposure(tape, summary, equity_curve(tape, summary))
    assert {trade.side for trade in played.trades} == {"buy", "sell"}
    assert held.gross[-1] == pytest.approx((10 * 104 + 10 * 96) / equity_curve(tape, summary).values[-1])
    assert held.net[-1] == pytest.approx((10 * 104 - 10 * 96) / equity_curve(tape, summary).values[-1])


def a_split(at: int) -> CorporateAction:
    """Two for one."""
    return CorporateAction(venue="paper", symbol="ALFA", kind="split", effective=at, ratio=D(2))


def test_what_is_held_follows_its_prices_and_waits_in_cash_for_the_first() -> None:
    late = columns([50.0, 100.0], start=NOON + 2 * MINUTE)
    tape = a_tape({"ALFA": columns([100.0, 110.0, 120.0, 130.0]), "BETA": late})
    times = np.array([NOON + n * MINUTE for n in range(1, 5)])
    assert buy_and_hold(tape, times, 1000).tolist() == [1000, 1050, 1100, 1650]


def test_a_split_changes_nothing_for_who_holds() -> None:
    tape = a_tape({"ALFA": columns([100.0, 110.0, 60.0])}, actions=[a_split(NOON + 2 * MINUTE)])
    assert buy_and_hold(tape, np.array([NOON + n * MINUTE for n in range(1, 4)]), 1000).tolist() == [1000, 1100, 1200]


# --- trades


@given(seed=st.integers(0, 10**9), length=st.integers(2, 60))
@settings(max_examples=15, deadline=None)
def test_round_trips_and_what_is_open_add_up_to_what_the_account_made(seed: int, length: int) -> None:
    tape = a_tape(walks(seed, length, "ALFA", "BETA"))
    both = a_strategy("momentum", "both", params={"lookback": 2, "every": 1, "short": 1}, sizing="fixed:7")
    setup = a_setup(a_strategy(), both, terms=FillTerms(fee_bps=D(3), bar_participation=D("0.002")), allow_short=True)
    played = play(tape, setup)
    trips = round_trips(played, tape.instruments)
    unrealised = sum(
        float(p.quantity) * (tape.mark(symbol, tape.last_known()) or 0.0) - float(p.quantity * p.avg_cost)
        for (_, symbol), p in played.positions.items()
    )
    made = float(summary_of(tape, played).worth) - 100_000
    assert sum(trip.pnl for trip in trips) + unrealised == pytest.approx(made, abs=1e-6)
    assert sum(trip.closed_at is None for trip in trips) == sum(bool(p.quantity) for p in played.positions.values())


def test_a_round_trip_by_hand() -> None:
    tape = a_tape({"ALFA": columns([100.0, 101.0, 102.0, 101.0, 103.0, 103.0])})
    played = play(tape, a_setup(terms=FillTerms(fee_per_unit=D("0.1"))))
    trip = round_trips(played, tape.instruments)[0]
    assert (trip.side, trip.quantity, trip.entry, trip.exit, trip.fills) == ("long", 10, 102, 103, 2)
    assert (trip.fees, trip.pnl) == (2, 8)
    assert trip.result == pytest.approx(8 / 1020)
    assert (trip.opened_at, trip.closed_at) == (NOON + 2 * MINUTE, NOON + 4 * MINUTE)


def test_a_split_does_not_end_a_round_trip() -> None:
    tape = a_tape({"ALFA": columns([100.0, 101.0, 102.0, 102.0, 52.0, 50.0, 50.0])}, actions=[a_split(NOON + 4 * MINUTE)])
    (trip,) = round_trips(play(tape, a_setup()), tape.instruments)
    assert (trip.entry, trip.exit, trip.pnl) == (102, 50, -20)


def test_a_split_that_leaves_no_whole_lot_ends_a_round_trip_and_the_next_is_another() -> None:
    a_hundredth = msgspec.structs.replace(a_split(NOON + 4 * MINUTE), ratio=D("0.01"))
    prices = [100.0, 101.0, 102.0, 102.0, 10_300.0, 10_200.0, 10_100.0, 10_300.0, 10_400.0, 10_300.0, 10_200.0]
    tape = a_tape({"ALFA": columns(prices)}, actions=[a_hundredth])
    paid_out, traded = round_trips(play(tape, a_setup()), tape.instruments, tape.actions)
    assert (paid_out.entry, paid_out.exit, paid_out.closed_at, paid_out.fills) == (102, None, NOON + 4 * MINUTE, 1)
    assert (traded.entry, traded.exit, traded.pnl, traded.fills) == (10_400, 10_200, -2_000, 2)


def test_figures_of_round_trips_by_hand() -> None:
    tape = a_tape({"ALFA": columns([100.0, 101.0, 101.0, 100.0, 103.0, 104.0, 105.0, 104.0, 103.0, 110.0, 109.0, 108.0])})
    found = trip_figures(round_trips(play(tape, a_setup()), tape.instruments))
    assert (found.closed, found.open, found.best, found.worst) == (3, 0, 20, -10)  # 20, -10 and -10, held for 2, 3 and 1 minutes
    assert (found.average_win, found.average_loss, found.payoff, found.profit_factor, found.expectancy) == (20, -10, 2, 1, 0)
    assert found.hit_rate == pytest.approx(1 / 3)
    assert found.mean_hours == pytest.approx(2 / 60)


def test_without_trades_no_figure_of_them_is_invented() -> None:
    found = trip_figures([])
    assert (found.closed, found.hit_rate, found.profit_factor, found.expectancy, found.best) == (0, None, None, None, None)


# --- costs


def test_costs_are_what_the_same_trades_had_saved() -> None:
    tape = a_tape(walks(4, 200, "ALFA"))
    terms = FillTerms(fee_bps=D(2), slippage_bps=D(40), half_spread_bps=D(60), bar_participation=None)
    dear, free = play(tape, a_setup(terms=terms)), play(tape, a_setup())
    found = costs(tape, dear.trades, dear.lines, terms, "USD")
    saved = float(summary_of(tape, free).worth - summary_of(tape, dear).worth)
    assert len(dear.trades) == len(free.trades) > 20
    assert found.fees + found.spread + found.slippage == pytest.approx(saved, rel=0.01)  # prices are rounded to the cent against us
    assert found.spread / found.slippage == pytest.approx(1.5)
    assert found.fees == pytest.approx(found.traded * 2e-4)


def test_the_cost_of_one_purchase_by_hand() -> None:
    tape = a_tape({"ALFA": columns([100.0, 101.0, 100.0, 100.0])})  # ten are bought at 100, 1 % worse
    terms = FillTerms(slippage_bps=D(25), half_spread_bps=D(75), bar_participation=None)
    played = play(tape, a_setup(terms=terms))
    found = costs(tape, played.trades[:1], played.lines, terms, "USD")
    assert (found.traded, found.fees) == (1010, 0)
    assert [found.spread, found.slippage] == pytest.approx([7.5, 2.5])


# --- thinning


def test_a_single_spike_among_a_million_bars_is_drawn() -> None:
    worth = np.zeros(1_000_000)
    worth[777_777], worth[555_555] = 1.0, -1.0
    rows = thinned(np.arange(len(worth)), worth)
    assert {555_555, 777_777} <= set(rows.tolist())
    assert len(rows) <= 1_202


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200), st.integers(1, 40))
@settings(max_examples=25, deadline=None)
def test_no_extreme_is_lost_in_thinning(values: list[float], count: int) -> None:
    times, worth = np.arange(len(values)), np.array(values)
    rows = thinned(times, worth, count)
    assert len(rows) <= 2 * count + 2
    assert (worth[rows].min(), worth[rows].max(), rows[0], rows[-1]) == (worth.min(), worth.max(), 0, len(values) - 1)
    seen = band(times, worth - 1, worth + 1, worth, count)
    assert (seen.low.min(), seen.high.max(), seen.close[-1]) == (worth.min() - 1, worth.max() + 1, worth[-1])


@given(st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=250))
@example([0.0, -0.5])
@settings(max_examples=25, deadline=None)
def test_every_result_is_counted_once_and_losses_apart_from_gains(results: list[float]) -> None:
    found = bins(results)
    assert sum(count for _, _, count in found) == len(results)
    assert sum(count for _, high, count in found if high <= 0) == sum(result < 0 for result in results)


def test_steps_are_round() -> None:
    assert [round_step(width) for width in (0.0011, 0.03, 7.0, 1.0)] == pytest.approx([0.002, 0.05, 10.0, 1.0])
