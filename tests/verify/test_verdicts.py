"""How often a search of 200 averages is believed: hardly ever on random walks, mostly where prices trend."""

from collections import Counter
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from libs.quant.validation.overfitting import overfitting
from libs.quant.validation.sharpe import deflated, sharpe
from libs.quant.validation.verdict import verdict

PAIRS: Final = list(product(range(2, 42, 2), range(45, 95, 5)))
DAYS: Final = 1_500
MARKETS: Final = 60
Vector = NDArray[np.float64]


def labels(moves: list[Vector]) -> Counter[str]:
    return Counter(label(each) for each in moves)


def label(moves: Vector) -> str:
    """Of the best pair of averages, long while the fast one is above the slow one, without costs."""
    sums = np.concatenate(([0.0], np.cumsum(np.cumprod(1 + moves))))
    means = {length: (sums[length:] - sums[:-length]) / length for pair in PAIRS for length in pair}
    long = [np.concatenate((np.zeros(slow), means[fast][slow - fast :] > means[slow]))[: len(moves)] for fast, slow in PAIRS]
    returns = np.array(long, dtype=np.float64).T * moves[:, None]  # the average of the days before decides on a day
    ratios = [sharpe(column).ratio for column in returns.T]
    return verdict(deflated(returns[:, int(np.argmax(ratios))], ratios), overfitting(returns, 12)).label


def test_hardly_any_random_walk_has_a_credible_best() -> None:
    found = labels([np.random.default_rng(seed).normal(0, 0.01, DAYS) for seed in range(MARKETS)])
    assert found["credible"] <= MARKETS / 20
    assert found["overfitted"] > MARKETS / 2


def test_most_markets_that_trend_have_one() -> None:
    draws = [np.random.default_rng(seed) for seed in range(MARKETS)]
    found = labels([draw.normal(0, 0.01, DAYS) + np.repeat(draw.choice([-0.006, 0.006], DAYS // 100), 100) for draw in draws])
    assert found["credible"] > MARKETS / 2
