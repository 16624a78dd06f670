"""Figures by machine code, beside those by numpy."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from libs.quant.backtest.report import PLAIN
from libs.quant.compiled import report
from libs.quant.compiled.report import SUMS

EQUITY = st.floats(1.0, 1e7) | st.sampled_from([100_000.0, 99_999.5, 0.0, -250.0])


@settings(deadline=None)  # the first call reads machine code
@given(st.lists(EQUITY, min_size=1, max_size=60))
@example([100_000.0, 0.0, 50.0])
@example([100_000.0] * 5)
def test_machine_code_measures_a_curve_as_numpy_does(values: list[float]) -> None:
    assert SUMS.measured(np.array(values), 100_000.0) == PLAIN.measured(np.array(values), 100_000.0)


@pytest.mark.parametrize("two_at_once", [0, 10**9])
@pytest.mark.parametrize("count", [1_023, 1_024, 1_025, 3_001])
def test_a_long_curve_is_measured_alike_in_pieces_and_by_two_threads(count: int, two_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "TWO_AT_ONCE", two_at_once)
    curve = 100_000.0 * np.exp(np.cumsum(np.random.default_rng(count).normal(0.0, 0.01, count)))
    assert SUMS.measured(curve, 100_000.0) == PLAIN.measured(curve, 100_000.0)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=20).map(sorted))
@settings(deadline=None)
def test_machine_code_finds_where_each_row_begins_as_numpy_does(moments: list[int]) -> None:
    at, times = np.array(moments, np.int64), np.arange(1, 40, 3, dtype=np.int64)
    assert SUMS.begins(at, times).tolist() == PLAIN.begins(at, times).tolist()
