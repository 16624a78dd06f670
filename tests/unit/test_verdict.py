"""What an operator is told of a search: the labels by their figures, and whole searches over noise and over an edge."""

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from libs.quant.folds.bias import run
from libs.quant.folds.contract import BarView
from libs.quant.strategies.sma_cross import STRATEGY, Params
from libs.quant.validation.overfitting import Overfitting, overfitting
from libs.quant.validation.sharpe import Deflated, deflated, sharpe
from libs.quant.validation.verdict import Verdict, verdict

TRIALS = [Params(fast, slow) for fast, slow in product(range(2, 42, 2), range(45, 95, 5))]


def of(probability: float, trials: int = 200) -> Deflated:
    return Deflated(0.1, 0.08, probability, trials)


def choice(probability: float, loss: float = 0.2, left_out: tuple[int, ...] = ()) -> Overfitting:
    return Overfitting(probability, np.zeros(1), 0.0, loss, 200, 16, left_out)


@pytest.mark.parametrize(
    ("found", "chosen", "label"),
    [
        (of(0.99), choice(0.01), "credible"),
        (of(0.95), choice(0.05), "credible"),
        (of(0.949), choice(0.05), "not shown"),
        (of(0.95), choice(0.051), "not shown"),
        (of(0.99), choice(0.6), "not shown"),
        (of(0.8), choice(0.5), "overfitted"),
        (of(0.8), choice(0.49), "not shown"),
        (of(0.49), choice(0.2), "overfitted"),
        (of(0.49), choice(0.01), "not shown"),
        (of(0.99), None, "not shown"),
        (of(0.49), None, "overfitted"),
        (of(0.99, trials=1), None, "credible"),
        (of(0.2, trials=1), None, "not shown"),
    ],
)
def test_a_label_is_as_good_as_the_weaker_figure(found: Deflated, chosen: Overfitting | None, label: str) -> None:
    assert verdict(found, chosen).label == label


def test_the_words_say_each_figure_and_what_to_do() -> None:
    said = " ".join(verdict(of(0.3), choice(0.62, left_out=(1, 4))).words)
    for part in (
        "best of 200 trials has 0.1000",
        "expected to have 0.0800",
        "30.0%",
        "overfitting 62.0%",
        "2 trials have no",
        "Do not trade it.",
    ):
        assert part in said


def test_trials_that_gain_whichever_is_chosen_are_told_from_a_choice() -> None:
    assert "Compare with holding the market" in " ".join(verdict(of(0.99), choice(0.5, loss=0.0)).words)
    assert "Compare with holding the market" not in " ".join(verdict(of(0.99), choice(0.5)).words)


def test_what_was_not_measured_is_said() -> None:
    assert "not measured" in " ".join(verdict(of(0.99), None).words)
    assert "not measured" not in " ".join(verdict(of(0.99, trials=1), None).words)


# --- whole searches: the averages of sma_cross over 1,000 bars, long or out, without costs


def searched(moves: NDArray[np.float64]) -> Verdict:
    closes = 100 * np.cumprod(1 + moves)
    bars = [BarView(close, close, close, close, 1.0) for close in closes.tolist()]
    held = np.array([run(STRATEGY, params, bars) for params in TRIALS]).T
    returns = np.nan_to_num(held[:-1]) * moves[1:, None]
    ratios = [sharpe(column).ratio for column in returns.T]
    return verdict(deflated(returns[:, int(np.argmax(ratios))], ratios), overfitting(returns, 12))


@pytest.mark.parametrize("seed", [1, 2])
def test_the_best_of_200_on_a_random_walk_is_not_believed(seed: int) -> None:
    assert searched(np.random.default_rng(seed).normal(0, 0.01, 1_000)).label in ("overfitted", "not shown")


def test_the_best_of_200_on_prices_that_trend_is_credible() -> None:
    draw = np.random.default_rng(1)
    trends = np.repeat(draw.choice([-0.006, 0.006], 10), 100)
    assert searched(draw.normal(0, 0.01, 1_000) + trends).label == "credible"
