"""What a backtest was worth: the curve against an account kept by hand, the figures against their definitions."""

from decimal import Decimal
from math import sqrt
from statistics import mean, stdev

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.domain.books import signed
from libs.domain.instruments import Calendar
from libs.domain.orders import Exits
from libs.quant.backtest.play import play
from libs.quant.backtest.report import Equity, Figures, equity_curve, figures
from libs.quant.backtest.result import Played
from libs.quant.backtest.summary import summary_of
from libs.quant.backtest.tape import Tape
from libs.quant.fills import FillTerms
from tests.factories import MINUTE, NOON, a_setup, a_strategy, a_tape, columns, walks
from tests.paper import ALFA, D

DEPOSIT = D(100_000)
FLAT = a_tape({"ALFA": columns([100.0] * 4)})


def by_hand(tape: Tape, played: Played, at: int) -> float:
    """Cash and positions after the fills known by then, at the newest closes known by then."""
    known = [trade for trade in played.trades if trade.executed_at + tape.late_ns <= at]
    worth = DEPOSIT - sum((signed(t.side, t.quantity) * t.executed_price + t.commission for t in known), Decimal(0))
    units = {symbol: sum((signed(t.side, t.quantity) for t in known if t.symbol == symbol), Decimal(0)) for symbol in tape.instruments}
    return float(worth) + sum(float(held) * (tape.mark(symbol, at) or 0.0) for symbol, held in units.items() if held)


def figures_of(*equity: float, deposit: int = 100, tape: Tape = FLAT) -> Figures:
    """Of a curve; nothing was traded."""
    curve = Equity(np.arange(len(equity), dtype=np.int64), np.array(equity))
    return figures(tape, summary_of(tape, Played([])), D(deposit), curve)


# --- the curve


@given(seed=st.integers(0, 10**9), length=st.integers(1, 60), gaps=st.sampled_from([0.0, 0.3]), grace=st.sampled_from([0, 250]))
@settings(max_examples=40, deadline=None)
def test_the_curve_is_cash_and_positions_at_every_bar(seed: int, length: int, gaps: float, grace: int) -> None:
    tape = a_tape(walks(seed, length, "ALFA", "BETA", gaps=gaps), grace_ns=grace)
    strategies = a_strategy(), a_strategy("momentum", "both", params={"lookback": 2, "every": 1, "short": 1}, sizing="fixed:7")
    setup = a_setup(*strategies, terms=FillTerms(fee_bps=D(3)), allow_short=True, exits=Exits(stop_bps=80))
    played = play(tape, setup)
    curve = equity_curve(tape, summary_of(tape, played))
    ends = sorted({start + MINUTE + grace for of in tape.bars["1m"].values() for start in of.start})
    assert curve.times.tolist() == ends
    assert curve.values.tolist() == pytest.approx([by_hand(tape, played, at) for at in ends], abs=1e-6)


def test_the_curve_counts_what_a_contract_is_worth() -> None:
    future = msgspec.structs.replace(ALFA, multiplier=D(50))
    tape = a_tape({"ALFA": columns([100.0, 101.0, 102.0, 104.0])}, instruments={"ALFA": future})
    curve = equity_curve(tape, summary_of(tape, play(tape, a_setup())))
    assert curve.values.tolist() == [100_000, 100_000, 100_000, 100_000 + 10 * 50 * 2]


def test_the_curve_is_of_the_finest_bars() -> None:
    five = columns([100.0, 101.0, 101.0], step=5 * MINUTE)
    tape = a_tape({"ALFA": columns([100.0] * 14 + [103.0])}, bars={"1m": {"ALFA": columns([100.0] * 14 + [103.0])}, "5m": {"ALFA": five}})
    curve = equity_curve(tape, summary_of(tape, play(tape, a_setup(a_strategy(timeframe="5m")))))
    assert curve.times.tolist() == [NOON + n * MINUTE for n in range(1, 16)]
    assert curve.values.tolist() == [100_000.0] * 14 + [100_030.0]


def test_without_bars_there_is_no_curve() -> None:
    tape = a_tape({"ALFA": columns([])})
    assert [len(column) for column in equity_curve(tape, summary_of(tape, play(tape, a_setup())))] == [0, 0]


# --- the figures


def test_a_drawdown_is_the_largest_fall_from_a_high_the_deposit_among_them() -> None:
    assert figures_of(110, 99, 120, 114).max_drawdown == pytest.approx(0.1)
    assert figures_of(95, 90, 100).max_drawdown == pytest.approx(0.1)
    assert figures_of(100, 101, 102).max_drawdown == 0.0


def test_a_drawdown_of_more_than_everything_is_told() -> None:
    assert figures_of(120, -30, 10).max_drawdown == pytest.approx(1.25)


@pytest.mark.parametrize(
    ("timeframe", "calendar", "bars"),
    [("1m", "24/7", 365 * 24 * 60), ("1d", "us_equity", 252), ("1h", "us_equity", 252 * 6.5)],
)
def test_a_sharpe_ratio_is_mean_over_deviation_of_returns_times_the_root_of_a_years_bars(
    timeframe: str, calendar: Calendar, bars: float
) -> None:
    stock = msgspec.structs.replace(ALFA, calendar=calendar)
    tape = a_tape({}, bars={timeframe: {"ALFA": columns([1.0])}}, instruments={"ALFA": stock}, fill_on={"ALFA": "bar"})
    returns = [110 / 100 - 1, 99 / 110 - 1, 120 / 99 - 1]
    assert figures_of(110, 99, 120, tape=tape).sharpe == pytest.approx(mean(returns) / stdev(returns) * sqrt(bars))


@pytest.mark.parametrize("equity", [(), (101,), (100, 100, 100), (110, 0, 120), (110, -5, 120)])
def test_where_no_deviation_of_returns_can_be_told_the_sharpe_ratio_is_zero(equity: tuple[float, ...]) -> None:
    assert figures_of(*equity).sharpe == 0.0


def test_what_was_done_is_counted() -> None:
    tape = a_tape({"ALFA": columns([100.0, 101.0, 102.0, 101.0, 101.0])})
    played = play(tape, a_setup(terms=FillTerms(fee_per_unit=D("0.01"))))
    found = figures(tape, summary_of(tape, played), DEPOSIT, equity_curve(tape, summary_of(tape, played)))
    assert (found.orders, found.trades, found.refused, found.bars) == (2, 2, 0, 5)
    assert (found.fees, found.final_equity) == (0.2, 99_989.8)
    assert found.total_return == pytest.approx(-0.000102)


@given(seed=st.integers(0, 10**9), length=st.integers(1, 40))
@settings(max_examples=20, deadline=None)
def test_the_figures_end_where_the_curve_does(seed: int, length: int) -> None:
    tape = a_tape(walks(seed, length, "ALFA"))
    played = play(tape, a_setup())
    curve = equity_curve(tape, summary_of(tape, played))
    found = figures(tape, summary_of(tape, played), DEPOSIT, curve)
    assert found.final_equity == pytest.approx(curve.values[-1])
    assert found.total_return == pytest.approx(curve.values[-1] / 100_000 - 1, abs=1e-9)
    assert -1e-12 <= found.max_drawdown < 1
