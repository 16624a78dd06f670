"""Ranges and plans of a search: what is tried, in which order, and what is refused."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.quant.folds.registry import find
from libs.quant.search.plan import MOST, drawn, grid
from libs.quant.search.ranges import Range, ranges_of
from services.backtester.search_spec import TRIALS, length_of, search_spec, stored_spec
from services.backtester.spec import Spec

SMA = find("sma_cross")
TREND = find("trend_vol_target")


def ranges(*texts: str) -> dict[str, Range]:
    return ranges_of(SMA, texts, {})


def test_a_range_of_steps_has_both_ends_and_a_list_keeps_its_order() -> None:
    found = ranges("fast=5:50:15", "slow=200,60,90")
    assert grid(found)[:4] == [{"fast": 5, "slow": 200}, {"fast": 5, "slow": 60}, {"fast": 5, "slow": 90}, {"fast": 20, "slow": 200}]
    assert [params["fast"] for params in grid(ranges("fast=5:50:15"))] == [5, 20, 35, 50]
    assert [params["fast"] for params in grid(ranges("fast=5:7"))] == [5, 6, 7]


def test_steps_are_decimal() -> None:
    name = next(name for name, kind in TREND.params.__annotations__.items() if kind is float)
    found = grid(ranges_of(TREND, [f"{name}=0.1:0.5:0.1"], {}))
    assert [params[name] for params in found] == [0.1, 0.2, 0.3, 0.4, 0.5]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("fst=1:2", "has no parameter 'fst'; it has: fast, slow"),
        ("fast=5:1", "expected the low below the high, got 5 and 1"),
        ("fast=1.5:3", "expected whole numbers, got '1.5'"),
        ("fast=1:9:20", "expected a step above 0 and at most 8, got 20"),
        ("fast=0:9:log", "expected a low above 0 on a logarithmic scale"),
        ("fast=1,1", "a value is there twice"),
        ("fast=ten", "expected a number, got 'ten'"),
        ("fast=1:2:3:4", "at most a low, a high and a step"),
        ("fast=1:inf", "expected a finite number"),
        ("fast=1e30,2", "expected whole numbers up to 9,007,199,254,740,992, got '1e30'"),
        ("fast", "expected a number, got ''"),
    ],
)
def test_what_is_no_range_is_refused_with_what_was_expected(text: str, says: str) -> None:
    with pytest.raises(ValueError, match="--range") as refused:
        ranges(text)
    assert says in str(refused.value)


def test_what_a_strategy_leaves_unsearched_keeps_its_default_unless_a_range_is_given() -> None:
    found = ranges_of(TREND, [], {})
    assert set(TREND.params._fields) - set(found) == {"bars_per_year"}
    assert list(ranges_of(TREND, ["bars_per_year=252,365"], {})) == ["bars_per_year"]


def test_without_ranges_those_that_the_strategy_declares_are_searched_but_for_what_is_fixed() -> None:
    assert ranges_of(SMA, [], {}) == {name: Range(low=low, high=high, whole=True, step=1) for name, (low, high) in SMA.ranges.items()}
    assert list(ranges_of(SMA, [], {"fast": 5})) == ["slow"]
    with pytest.raises(ValueError, match="fast: has a fixed value and a range"):
        ranges_of(SMA, ["fast=1:5"], {"fast": 5})


def test_no_order_of_ranges_changes_what_is_tried() -> None:
    assert drawn(ranges("slow=8:80", "fast=2:50"), 9, 3) == drawn(ranges("fast=2:50", "slow=8:80"), 9, 3)
    spec = search_spec(Spec(strategy="sma_cross", data="bars.csv"), ["slow=10,20", "fast=2:5"])
    kept = msgspec.json.decode(msgspec.json.encode(spec))
    kept["ranges"] = dict(reversed(kept["ranges"].items()))
    assert list(stored_spec(kept).ranges) == ["fast", "slow"]


def test_an_absurd_grid_is_refused_with_its_size_and_a_way_out() -> None:
    with pytest.raises(ValueError, match=r"10,000,000 trials \(fast 1,000 x slow 10,000\), at most 20,000 .* --method random"):
        grid(ranges("fast=1:1000", "slow=1:10000"))
    with pytest.raises(ValueError, match="a grid needs steps, and fast has none"):
        grid(ranges("fast=1:100:log"))
    with pytest.raises(ValueError, match=f"expected from 1 to {MOST:,} trials, got 20,001"):
        drawn(ranges("fast=1:1000"), MOST + 1, 1)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), trials=st.integers(1, 60))
def test_draws_are_different_within_their_ranges_and_follow_from_the_seed(seed: int, trials: int) -> None:
    found = ranges("fast=2:11:3", "slow=1:1000:log")
    params = drawn(found, trials, seed)
    assert len({tuple(each.values()) for each in params}) == len(params) == trials
    assert all(each["fast"] in (2, 5, 8, 11) and isinstance(each["slow"], int) and 1 <= each["slow"] <= 1000 for each in params)
    assert params == drawn(found, trials, seed)
    assert trials < 5 or params != drawn(found, trials, seed + 1)


def test_more_draws_than_there_are_combinations_are_the_grid() -> None:
    found = ranges("fast=2:5", "slow=10,20")
    assert drawn(found, 8, 3) == grid(found)
    assert len(drawn(found, 7, 3)) == 7


def test_a_search_is_a_grid_where_it_can_be_counted_and_nobody_says_how_many() -> None:
    backtest = Spec(strategy="sma_cross", data="bars.csv")
    assert search_spec(backtest, ["fast=2:5", "slow=10,20"]).trials == 8
    assert (search_spec(backtest, ["fast=2:5"], trials=3).method, search_spec(backtest, ["fast=2:50:log"]).trials) == ("random", TRIALS)
    with pytest.raises(ValueError, match="leave --trials out"):
        search_spec(backtest, ["fast=2:5"], method="grid", trials=3)
    with pytest.raises(ValueError, match="expected metric to be one of"):
        search_spec(backtest, ["fast=2:5"], metric="luck")


@pytest.mark.parametrize("text", ["", "d", "0d", "5", "1.5d", "5y"])
def test_what_is_no_length_is_refused(text: str) -> None:
    assert length_of("--train", "2w") == 14 * 86_400 * 10**9
    with pytest.raises(ValueError, match="--train .*: expected a whole number above 0 and a unit"):
        length_of("--train", text)
