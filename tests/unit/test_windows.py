"""An account that begins within a tape, and a tape that ends early: what a search and a walk-forward are made of."""

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.domain.trades import Trade
from libs.quant.backtest.play import play
from libs.quant.backtest.report import equity_curve, figures
from libs.quant.backtest.setup import Setup
from libs.quant.backtest.summary import summary_of
from libs.quant.backtest.tape import Tape
from tests.factories import MINUTE, NOON, a_limit, a_setup, a_tape, the_limits, walks
from tests.paper import D

SEEDS = st.integers(0, 2**32)


def fills(trades: list[Trade]) -> list[tuple[int, str, D, D]]:
    return [(t.executed_at, t.side, t.quantity, t.executed_price) for t in trades]


def worth(tape: Tape, setup: Setup) -> list[float]:
    summary = summary_of(tape, play(tape, setup))
    return list(equity_curve(tape, summary).after(setup.trades_from).values)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, begins=st.integers(0, 70))
def test_an_account_that_begins_within_a_tape_trades_as_the_longer_one_does_from_its_first_entry_on(seed: int, begins: int) -> None:
    tape, at = a_tape(walks(seed, 60, "ALFA")), NOON + begins * MINUTE
    whole, window = play(tape, a_setup()), play(tape, a_setup(trades_from=at))
    entries = [t.executed_at for t in window.trades if t.side == "buy"]
    after = [t for t in whole.trades if entries and t.executed_at >= entries[0]]
    assert fills(window.trades) == fills(after)
    assert window.balances[0] == (max(at, tape.since), 100_000.0, {})
    assert all(signal.decided_at >= at for signal in window.signals)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, ends=st.integers(0, 70))
def test_a_tape_that_ends_early_says_the_same_until_then_and_nothing_later(seed: int, ends: int) -> None:
    tape, at = a_tape(walks(seed, 60, "ALFA")), NOON + ends * MINUTE
    cut = tape.until(at)
    assert cut.count() == min(ends, 60)
    assert cut.last_known() <= at
    whole, early = play(tape, a_setup()), play(cut, a_setup())
    assert fills(early.trades) == [fill for fill in fills(whole.trades) if fill[0] < at]


def test_figures_of_a_window_count_from_its_first_bar() -> None:
    tape, setup = a_tape(walks(3, 60, "ALFA")), a_setup(trades_from=NOON + 20 * MINUTE)
    summary = summary_of(tape, play(tape, setup))
    curve = equity_curve(tape, summary).after(setup.trades_from)
    assert curve.times.tolist() == [NOON + n * MINUTE for n in range(21, 61)]
    found = figures(tape, summary, setup.deposit, curve)
    assert found.final_equity == curve.values[-1]
    assert tape.count(after=setup.trades_from) == 40


def test_windows_that_meet_cover_every_bar_once() -> None:
    tape = a_tape(walks(5, 60, "ALFA", "BRAVO", gaps=0.2))
    at = NOON + 25 * MINUTE
    first, second = worth(tape.until(at), a_setup()), worth(tape, a_setup(trades_from=at))
    assert len(first) + len(second) == len(worth(tape, a_setup()))
    assert tape.until(at).count() + tape.count(after=at) == tape.count()


def test_a_loss_before_the_window_halts_nothing_in_it() -> None:
    tape = a_tape(walks(11, 80, "ALFA"))
    limits = the_limits(a_limit("max_drawdown", 1e-5, unit="fraction"))
    whole, window = play(tape, a_setup(limits=limits)), play(tape, a_setup(limits=limits, trades_from=NOON + 40 * MINUTE))
    assert whole.halts[0].at < NOON + 40 * MINUTE
    assert all(halt.at > NOON + 40 * MINUTE for halt in window.halts)
    assert window.trades
