"""Measures of daily returns: equal to the library empyrical, to values by hand, and silent until they are defined."""

import csv
import gzip
import random
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from math import inf, nan
from pathlib import Path
from typing import Final

import empyrical
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.quant.portfolio import returns
from libs.quant.portfolio.returns import statistics

THEIRS: Final[dict[str, Callable[..., float]]] = {
    "sharpe": empyrical.sharpe_ratio,
    "sortino": empyrical.sortino_ratio,
    "calmar": empyrical.calmar_ratio,
    "volatility": empyrical.annual_volatility,
    "cagr": empyrical.cagr,
    "max_drawdown": lambda values, annualization: -empyrical.max_drawdown(values),
}


@cache
def recorded(symbol: str) -> list[float]:
    """Daily returns of a stock, 1990 to 2022."""
    package = find_spec("skfolio")
    assert package is not None
    assert package.origin is not None
    with gzip.open(Path(package.origin).parent / "datasets/data/sp500_dataset.csv.gz", "rt") as file:
        closes = [float(row[symbol]) for row in csv.DictReader(file)]
    return [after / before - 1 for before, after in zip(closes, closes[1:], strict=False)]


def drawn(seed: int, length: int, drift: float = 0.0003, deviation: float = 0.01) -> list[float]:
    draw = random.Random(seed)
    return [max(-0.9, draw.gauss(drift, deviation)) for _ in range(length)]


SERIES: Final = {
    "two days": [0.01, -0.02],
    "a month": drawn(1, 21),
    "a good year": drawn(2, 252, drift=0.002),
    "a bad year": drawn(3, 252, drift=-0.003),
    "wild": drawn(4, 500, deviation=0.2),
    "quiet": drawn(5, 500, drift=0.0, deviation=1e-6),
    "with days at rest": [r if n % 3 else 0.0 for n, r in enumerate(drawn(6, 300))],
    "lost nearly all": [*drawn(7, 50), -0.999, *drawn(8, 50)],
}


@pytest.mark.parametrize("days", [252, 365])
@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("series", SERIES)
def test_every_measure_is_that_of_empyrical(series: str, name: str, days: int) -> None:
    ours = statistics(SERIES[series], days)._asdict()[name]
    theirs = THEIRS[name](np.array(SERIES[series]), annualization=days)
    assert ours == pytest.approx(theirs, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("symbol", ["AAPL", "GE", "XOM"])
def test_on_recorded_stocks_too(symbol: str, name: str) -> None:
    ours = statistics(recorded(symbol), 252)._asdict()[name]
    assert ours == pytest.approx(THEIRS[name](np.array(recorded(symbol)), annualization=252), rel=1e-12)


def test_measures_by_hand() -> None:
    """1 becomes 1.1, 0.99 and 1.089; a year has three days. Around the mean, 1/30, the variance is (4 + 16 + 4) / 900 / 2."""
    found = statistics([0.10, -0.10, 0.10], 3)
    assert found.cagr == pytest.approx(0.089, rel=1e-13)
    assert found.max_drawdown == pytest.approx(0.1, rel=1e-13)
    assert found.calmar == pytest.approx(0.89, rel=1e-13)
    assert found.volatility == pytest.approx(0.2, rel=1e-13)
    assert found.sharpe == pytest.approx(0.5, rel=1e-13)
    assert found.sortino == pytest.approx(1.0, rel=1e-13)


@pytest.mark.parametrize(
    ("series", "defined"),
    [
        ([], set()),
        ([0.01], {"cagr", "max_drawdown"}),
        ([0.01, 0.01], {"cagr", "max_drawdown", "volatility"}),
        ([0.0, 0.0], {"cagr", "max_drawdown", "volatility"}),
        ([0.01, 0.02], {"cagr", "max_drawdown", "volatility", "sharpe"}),
        ([0.01, -0.01], set(THEIRS)),
        ([0.01, -1.0], set(THEIRS)),
        ([0.01, -1.5], {"volatility", "sharpe", "sortino"}),
        ([0.01, nan], set()),
        ([0.01, -inf], set()),
        ([0.01, 1e300], set()),
        ([9e99] * 4 + [-0.5], {"volatility", "sharpe", "sortino"}),
    ],
)
def test_what_is_not_defined_is_none(series: list[float], defined: set[str]) -> None:
    found = {name for name in THEIRS if statistics(series, 252)._asdict()[name] is not None}
    assert found == defined


def test_returns_that_do_not_differ_have_no_sharpe_whatever_rounding_makes_of_them() -> None:
    assert returns.sharpe([0.1] * 3, 252) is None  # their mean is not 0.1 in floats
    assert returns.volatility([0.1] * 3, 252) == 0.0


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=50))
def test_a_drawdown_is_a_share_of_what_there_was(series: list[float]) -> None:
    fall = returns.max_drawdown(series)
    assert fall is not None
    assert 0 <= fall <= 1
