"""Indicators: equal to TA-Lib or to the published definition, and well-behaved folds."""

import os
import struct
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import import_module
from math import inf, isnan, nan, sqrt
from pathlib import Path
from statistics import pvariance
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from libs.quant.indicators import adx, bollinger, donchian, macd, moments, obv, rsi, slope, stochastic, volatility, vwap, zscore

Column = NDArray[np.float64]
Lines = Column | Sequence[Column]

BARS: Final = ("high", "low", "close")
RECORDED: Final = {"IBM": "equities/minute/IBM_trade.parquet", "BTCUSD": "crypto/candles/BTCUSD_coinbase_1m_trade.parquet"}


class Market(NamedTuple):
    """Bars as columns of one length."""

    high: Column
    low: Column
    close: Column
    volume: Column

    @property
    def typical(self) -> Column:
        return (self.high + self.low + self.close) / 3.0


class Case(NamedTuple):
    """An indicator with parameters, what to compare it with, and at which bar (from 1) its last line begins."""

    name: str
    args: tuple[float, ...]
    inputs: tuple[str, ...]
    reference: Callable[[Any, Market], Lines]  # (TA-Lib, market)
    warmup: int


# --- the definitions that TA-Lib lacks or reads in another way


def rolling(values: Column, length: int, measure: Callable[[Column], Column]) -> Column:
    """`measure` of an array of windows, shape (bars, length), after NaN for the bars before the first window."""
    return np.concatenate([np.full(length - 1, nan), measure(sliding_window_view(values, length))])


def score(windows: Column) -> Column:
    mean, deviation = windows.mean(axis=1), windows.std(axis=1)
    flat = deviation <= 1e-14 * abs(mean)
    return np.where(flat, 0.0, (windows[:, -1] - mean) / np.where(flat, 1.0, deviation))


def log_return_deviation(close: Column, length: int) -> Column:
    returns = np.diff(np.log(close))
    return np.concatenate([[nan], rolling(returns, length, lambda windows: windows.std(axis=1, ddof=1))])


def average_price(market: Market, length: int) -> Column:
    amount = rolling(market.typical * market.volume, length, lambda windows: windows.sum(axis=1))
    return amount / rolling(market.volume, length, lambda windows: windows.sum(axis=1))


def average_price_since_the_start(market: Market) -> Column:
    return np.cumsum(market.typical * market.volume) / np.cumsum(market.volume)


def channel(middle: Column, reach: Column) -> Lines:
    return middle + reach, np.where(np.isnan(reach), nan, middle), middle - reach


def donchian_of(highest: Column, lowest: Column) -> Lines:
    return highest, (highest + lowest) / 2.0, lowest


def cases(n: int) -> Iterator[Case]:
    yield Case("sma", (n,), ("close",), lambda ta, m: ta.SMA(m.close, n), n)
    yield Case("ema", (n,), ("close",), lambda ta, m: ta.EMA(m.close, n), n)
    yield Case("wma", (n,), ("close",), lambda ta, m: ta.WMA(m.close, n), n)
    yield Case("wilder", (n,), ("close",), lambda ta, m: ta.RMA(m.close, n), n)
    yield Case("rsi", (n,), ("close",), lambda ta, m: ta.RSI(m.close, n), n + 1)
    yield Case("macd", (n, 2 * n + 1, 4), ("close",), lambda ta, m: ta.MACD(m.close, n, 2 * n + 1, 4), 2 * n + 4)
    yield Case("bollinger", (n, 1.5), ("close",), lambda ta, m: ta.BBANDS(m.close, n, 1.5, 1.5), n)
    yield Case("stochastic", (n, 3, 4), BARS, lambda ta, m: ta.STOCH(*m[:3], n, 3, 0, 4, 0), n + 5)
    yield Case("atr", (n,), BARS, lambda ta, m: ta.ATR(*m[:3], n), n + 1)
    yield Case("adx", (n,), BARS, lambda ta, m: [line(*m[:3], n) for line in (ta.ADX, ta.PLUS_DI, ta.MINUS_DI)], 2 * n)
    yield Case("cci", (n,), BARS, lambda ta, m: ta.CCI(*m[:3], n), n)
    yield Case("slope", (n,), ("close",), lambda ta, m: ta.LINEARREG_SLOPE(m.close, n), n)
    yield Case("donchian", (n,), BARS[:2], lambda ta, m: donchian_of(ta.MAX(m.high, n), ta.MIN(m.low, n)), n)
    yield Case("keltner", (n, 9, 1.5), BARS, lambda ta, m: channel(ta.EMA(m.typical, n), 1.5 * ta.ATR(*m[:3], 9)), max(n, 10))
    yield Case("zscore", (n,), ("close",), lambda _, m: rolling(m.close, n, score), n)
    yield Case("volatility", (n,), ("close",), lambda _, m: log_return_deviation(m.close, n), n + 1)
    yield Case("vwap", (n,), Market._fields, lambda _, m: average_price(m, n), n)


CASES: Final = [
    *cases(5),
    *cases(20),
    Case("obv", (), ("close", "volume"), lambda ta, m: ta.OBV(m.close, m.volume), 1),
    Case("vwap", (), Market._fields, lambda _, m: average_price_since_the_start(m), 1),
]
WINDOWED: Final = "sma wma bollinger stochastic cci slope donchian zscore volatility vwap".split()


def named(case: Case) -> str:
    return "-".join([case.name, *map(str, case.args)])


every_case = pytest.mark.parametrize("case", CASES, ids=named)


# --- markets


@cache
def walk() -> Market:
    """A random walk on a grid of cents, with ties, bars without a range and a stretch in which nothing moves."""
    draw = np.random.default_rng(11)
    moves = np.round(draw.normal(size=1200), 2) * (draw.random(1200) < 0.7)
    moves[400:480] = 0.0
    close = 200.0 + np.cumsum(moves)
    up, down = np.round(np.abs(draw.normal(size=(2, 1200))), 2) * (draw.random((2, 1200)) < 0.8)
    up[400:480] = down[400:480] = 0.0
    return Market(close + up, close - down, close, np.round(draw.random(1200) * 1000.0) + 1.0)


@cache
def recorded(name: str) -> Market:
    root = os.environ.get("MARKET_DATA_DIR")
    if not root:
        pytest.skip("MARKET_DATA_DIR is not set")
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(Path(root, RECORDED[name]))
    return Market(*(table[field].to_numpy().astype(np.float64) for field in Market._fields))


Bars = list[tuple[float, ...]]


def bars_of(case: Case, market: Market) -> Bars:
    return list(zip(*(getattr(market, field).tolist() for field in case.inputs), strict=True))


def run(case: Case, bars: Bars, state: Any = None) -> tuple[Any, list[tuple[float, ...]]]:
    """The state at the end, and the lines of every bar."""
    indicator: Any = import_module(f"libs.quant.indicators.{case.name}")
    if state is None:
        state = indicator.init(*case.args)
    found = []
    for bar in bars:
        state, value = indicator.step(state, *bar)
        found.append(value if isinstance(value, tuple) else (value,))
    return state, found


def bits(lines: Sequence[tuple[float, ...]]) -> list[bytes]:
    return [struct.pack(f"{len(values)}d", *values) for values in lines]


# --- what they come to


@every_case
@pytest.mark.parametrize("name", ["walk", *RECORDED])
def test_every_value_is_that_of_the_reference(case: Case, name: str) -> None:
    market = walk() if name == "walk" else recorded(name)
    ta = pytest.importorskip("talib")
    expected = np.atleast_2d(np.array(case.reference(ta, market)))
    found = np.array(run(case, bars_of(case, market))[1]).T
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert np.nanmax(abs(found - expected) / np.maximum(1.0, abs(expected))) < 1e-9


@every_case
def test_values_begin_with_the_bar_that_completes_the_warmup(case: Case) -> None:
    _, lines = run(case, bars_of(case, walk()))
    incomplete = [any(map(isnan, values)) for values in lines]
    assert incomplete == [n + 1 < case.warmup for n in range(len(lines))]


FLAT: Final = {
    "rsi": (0.0,),
    "macd": (0.0, 0.0, 0.0),
    "stochastic": (0.0, 0.0),
    "atr": (0.0,),
    "adx": (0.0, 0.0, 0.0),
    "cci": (0.0,),
    "slope": (0.0,),
    "zscore": (0.0,),
    "volatility": (0.0,),
    "obv": (0.1,),
}


@every_case
def test_where_nothing_moves_lines_lie_on_the_price_and_measures_of_movement_are_zero(case: Case) -> None:
    _, lines = run(case, [(0.1,) * len(case.inputs)] * 60)
    expected = FLAT.get(case.name, (0.1,) * len(lines[-1]))
    for values in lines[case.warmup - 1 :]:
        assert values == pytest.approx(expected, rel=1e-14, abs=0.0)


def test_a_market_that_only_rises_is_at_the_end_of_every_scale() -> None:
    prices = [float(price) for price in range(1, 41)]
    assert last(rsi, rsi.init(14), zip(prices)) == 100.0
    assert last(adx, adx.init(14), zip(prices, prices, prices, strict=True)) == pytest.approx((100.0, 100.0, 0.0))
    assert last(stochastic, stochastic.init(5), zip(prices, prices, prices, strict=True)) == (100.0, 100.0)
    assert last(slope, slope.init(10), zip(prices)) == 1.0
    assert last(macd, macd.init(), zip(prices)).macd == pytest.approx(7.0)  # averages lag by (length - 1) / 2


def last(indicator: Any, state: Any, bars: Any) -> Any:
    value: Any = nan
    for bar in bars:
        state, value = indicator.step(state, *bar)
    return value


def test_balance_follows_the_close_and_its_price_the_volume() -> None:
    closes, volumes = [10.0, 11.0, 11.0, 9.0], [1.0, 2.0, 4.0, 8.0]
    assert last(obv, obv.init(), zip(closes, volumes, strict=True)) == 1.0 + 2.0 - 8.0
    trades = list(zip(closes, closes, closes, volumes, strict=True))
    assert last(vwap, vwap.init(), trades) == (10.0 + 22.0 + 44.0 + 72.0) / 15.0
    assert last(vwap, vwap.init(2), trades) == (44.0 + 72.0) / 12.0


def test_the_average_price_of_nothing_traded_is_unknown() -> None:
    bars = [(10.0, 10.0, 10.0, 0.0), (12.0, 12.0, 12.0, 3.0), (14.0, 14.0, 14.0, 0.0), (14.0, 14.0, 14.0, 0.0)]
    of_all = [last(vwap, vwap.init(), bars[:n]) for n in range(1, 5)]
    of_two = [last(vwap, vwap.init(2), bars[:n]) for n in range(1, 5)]
    assert of_all == pytest.approx([nan, 12.0, 12.0, 12.0], nan_ok=True)
    assert of_two == pytest.approx([nan, 12.0, 12.0, nan], nan_ok=True)


@pytest.mark.parametrize("name", ["zscore", "cci", "stochastic"])
def test_movement_that_is_only_rounding_is_none(name: str) -> None:
    (case,) = (case for case in cases(5) if case.name == name)
    _, lines = run(case, [(0.3 if n % 3 else 0.1 + 0.2,) * len(case.inputs) for n in range(30)])
    assert {value for values in lines[case.warmup :] for value in values} == {0.0}


def test_a_return_over_a_close_that_is_not_positive_is_left_out() -> None:
    closes = [100.0, 110.0, 0.0, -5.0, 99.0, 120.0]
    found = last(volatility, volatility.init(3), zip(closes))
    assert found == last(volatility, volatility.init(3), zip([100.0, 110.0, 99.0, 120.0])) > 0.0


# --- how they are computed


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40), st.integers(1, 8))
def test_the_sliding_variance_is_that_of_the_window_even_on_a_high_level(steps: list[int], length: int) -> None:
    values = [1e6 + step / 8 for step in steps]
    state = moments.init(length)
    for n, value in enumerate(values, start=1):
        state, (mean, variance) = moments.step(state, value)
        if n < length:
            assert isnan(mean)
            assert isnan(variance)
        else:
            window = values[n - length : n]
            assert mean == pytest.approx(sum(window) / length, rel=1e-15)
            assert variance == pytest.approx(pvariance(window), rel=1e-8, abs=0.0)


@given(st.lists(st.tuples(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300)), min_size=1, max_size=40), st.integers(1, 8))
def test_a_channel_is_exactly_the_extremes_of_its_window(bars: list[tuple[float, float]], length: int) -> None:
    state = donchian.init(length)
    for n, (high, low) in enumerate(bars, start=1):
        state, lines = donchian.step(state, high, low)
        if n >= length:
            window = bars[n - length : n]
            assert (lines.upper, lines.lower) == (max(high for high, _ in window), min(low for _, low in window))


@pytest.mark.parametrize("case", [case for case in CASES if case.args and case.name in WINDOWED], ids=named)
@pytest.mark.parametrize("before", [1, 13, 40])
def test_what_has_left_the_window_leaves_no_trace(case: Case, before: int) -> None:
    window = bars_of(case, walk())[: case.warmup + 30]
    huge = [tuple(1e15 * (n + 2) for _ in case.inputs) for n in range(before)]
    alone, after = run(case, window)[1], run(case, huge + window)[1]
    expected, found = np.array(alone[case.warmup :]), np.array(after[before + case.warmup :])
    assert np.max(abs(found - expected) / np.maximum(1.0, abs(expected))) < 1e-9


def test_bands_of_a_flat_window_are_exactly_as_wide_as_nothing_after_wild_ones() -> None:
    wild = [0.1 * 7.0**n for n in range(19)]
    lines = last(bollinger, bollinger.init(5), zip(wild + [0.1] * 5))
    assert lines.upper == lines.middle == lines.lower == pytest.approx(0.1, rel=1e-15)


@settings(max_examples=200)
@given(st.sampled_from(CASES), st.data())
def test_numbers_of_any_size_raise_nothing(case: Case, data: st.DataObject) -> None:
    number = st.floats() | st.sampled_from([0.0, 5e-324, -5e-324, 1e308, -1e308])
    bars = data.draw(st.lists(st.tuples(*(number for _ in case.inputs)), max_size=60))
    assert len(run(case, bars)[1]) == len(bars)


def test_a_deviation_that_overflows_is_infinite_and_raises_nothing() -> None:
    (bollinger,) = (case for case in CASES if case.name == "bollinger" and case.warmup == 5)
    bars: list[tuple[float, ...]] = [*[(7.976931348623158e307,)] * 4, (-1e308,)]
    assert len(run(bollinger, bars)[1]) == 5


# --- folds


@settings(max_examples=200)
@given(st.sampled_from(CASES), st.integers(0, 150))
def test_stored_and_read_back_at_any_bar_it_goes_on_bit_by_bit(case: Case, at: int) -> None:
    bars = bars_of(case, walk())[:150]
    _, whole = run(case, bars)
    state, _ = run(case, bars[:at])
    restored = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=type(state))
    assert bits(run(case, bars[at:], restored)[1]) == bits(whole[at:])


@every_case
def test_what_comes_later_changes_nothing_earlier(case: Case) -> None:
    bars = bars_of(case, walk())
    _, whole = run(case, bars)
    assert bits(run(case, bars[:333])[1]) == bits(whole[:333])


@settings(max_examples=200)
@given(st.sampled_from(CASES), st.sampled_from([nan, inf, -inf]), st.data())
def test_a_bar_that_is_not_finite_gives_nan_and_is_passed_over(case: Case, bad: float, data: st.DataObject) -> None:
    bars = bars_of(case, walk())[:120]
    at = data.draw(st.integers(0, len(bars)))
    spoilt = list(bars[0])
    spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = bad
    _, lines = run(case, [*bars[:at], tuple(spoilt), *bars[at:]])
    assert all(map(isnan, lines.pop(at)))
    assert bits(lines) == bits(run(case, bars)[1])


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        *((name, (0,), "at least 1, got 0") for name in "sma ema wma rsi bollinger stochastic atr donchian keltner".split()),
        *((name, (1,), "at least 2, got 1") for name in "adx cci slope zscore volatility".split()),
        ("vwap", (-1,), "at least 0, got -1"),
        ("macd", (26, 12, 9), "fast < slow, got fast=26, slow=12"),
        ("macd", (12, 26, 0), "at least 1, got 0"),
        ("stochastic", (5, 0), "at least 1, got 0"),
        ("keltner", (20, 0), "at least 1, got 0"),
    ],
)
def test_a_length_that_is_none_is_refused_with_what_was_expected(name: str, args: tuple[int, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        import_module(f"libs.quant.indicators.{name}").init(*args)


@pytest.mark.parametrize("length", [2, 3, 10])
def test_a_score_is_at_most_what_its_length_allows(length: int) -> None:
    values = [1.0] * (length - 1) + [5.0]
    assert last(zscore, zscore.init(length), zip(values)) == pytest.approx(sqrt(length - 1))
