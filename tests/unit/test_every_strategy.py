"""What holds for every strategy there is, on any market: no look-ahead, safe to restart, silent while warming up, targets in range."""

import os
import random
from collections.abc import Mapping
from math import ceil, floor, isnan, nan
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.domain.configuration import MemberConfig, StrategyConfig
from libs.quant.folds import bias
from libs.quant.folds.contract import BarView, PanelView, Strategy
from libs.quant.folds.registry import Configured, configured, find, names

ABSENT = BarView(nan, nan, nan, nan, nan)
EXAMPLES = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
every_strategy = pytest.mark.parametrize("name", names())


class Case(NamedTuple):
    """A strategy ready to run, a market for it and the bars after which to cut or stop."""

    configured: Configured
    bars: bias.Bars
    points: list[int]


def ready(name: str, params: Mapping[str, float | int], members: list[MemberConfig]) -> Configured:
    config = StrategyConfig(id="one", class_name=name, symbols=["*"], account="paper", allocation=1.0, params=dict(params), members=members)
    return configured(config)


@st.composite
def parameters(draw: st.DrawFn, strategy: Strategy) -> dict[str, float | int]:
    """Within the ranges, in a combination that passes its check."""

    def number(name: str) -> st.SearchStrategy[float | int]:
        low, high = strategy.ranges[name]
        whole = strategy.params.__annotations__[name] is int
        return st.integers(ceil(low), floor(high)) if whole else st.floats(low, high)

    numbers = st.fixed_dictionaries({name: number(name) for name in strategy.ranges})
    return draw(numbers.filter(lambda drawn: strategy.check(strategy.params(**drawn)) is None))


def alone() -> list[str]:
    """Strategies that can be a member of another."""
    return [name for name in names() if not find(name).panel and find(name).members == (0, 0)]


@st.composite
def members(draw: st.DrawFn, strategy: Strategy) -> list[MemberConfig]:
    fewest, most = strategy.members
    count = draw(st.integers(fewest, min(most, max(fewest, 3))))
    chosen = [draw(st.sampled_from(alone())) for _ in range(count)]
    return [MemberConfig(class_name=name, params=draw(parameters(find(name))), weight=draw(st.floats(0.1, 3.0))) for name in chosen]


def walk(chance: random.Random, count: int, first: float, rough: bool) -> list[BarView]:
    """A random walk; a rough one with equal closes, flat bars, jumps and gaps between close and open."""
    close, bars = first, []
    for _ in range(count):
        kind = chance.random() if rough else 1.0
        gap = chance.choice((0.2, 0.9, 1.1, 5.0)) if kind < 0.02 else 1.0
        open_ = min(max(close * gap, 1e-6), 1e6)
        close = open_ if kind < 0.2 else min(max(open_ * (1.0 + chance.gauss(0.0, 0.02)), 1e-6), 1e6)
        reach = 0.0 if kind < 0.3 else abs(chance.gauss(0.0, 0.005))
        high, low = max(open_, close) * (1.0 + reach), min(open_, close) / (1.0 + reach)
        bars.append(BarView(open_, high, low, close, 0.0 if kind < 0.1 else float(chance.randint(1, 10_000))))
    return bars


def together(columns: list[list[BarView]]) -> list[PanelView]:
    return [PanelView(*map(list, zip(*row, strict=True))) for row in zip(*columns, strict=True)]


def market(chance: random.Random, strategy: Strategy, count: int, first: float, rough: bool) -> bias.Bars:
    """Bars for it; of a rough panel some are missing, and one symbol begins late."""
    if not strategy.panel:
        return walk(chance, count, first, rough)
    fewest, most = strategy.width
    columns = [walk(chance, count, first * (n + 1), rough) for n in range(chance.randint(fewest, min(most, fewest + 3)))]
    if rough:
        late = chance.randrange(count // 2)
        for n, column in enumerate(columns[1:], 1):  # the first has all, or there would be no step
            columns[n] = [ABSENT if chance.random() < 0.1 or (n == 1 and at < late) else bar for at, bar in enumerate(column)]
    return together(columns)


@st.composite
def cases(draw: st.DrawFn, name: str, rough: bool = True) -> Case:
    strategy = find(name)
    one = ready(name, draw(parameters(strategy)), draw(members(strategy)))
    count, first = draw(st.integers(150, 400)), draw(st.sampled_from((1e-4, 1.0, 100.0, 50_000.0)))
    bars = market(random.Random(draw(st.integers(0, 2**32))), one.strategy, count, first, rough)
    return Case(one, bars, draw(st.lists(st.integers(0, count - 1), min_size=2, max_size=4)))


def defaults(name: str) -> Configured:
    fewest, _ = find(name).members
    return ready(name, {}, [MemberConfig(class_name=member) for member in alone()[:fewest]] if fewest else [])


def each(target: bias.Target) -> list[float]:
    return target if isinstance(target, list) else [target]


@every_strategy
def test_it_says_where_it_comes_from_and_what_its_parameters_may_be(name: str) -> None:
    strategy = find(name)
    usual = strategy.params()
    assert strategy.source.strip()
    assert sorted([*strategy.ranges, *strategy.unsearched]) == sorted(strategy.params._fields)
    assert strategy.check(usual) is None
    for parameter, (low, high) in strategy.ranges.items():
        assert low <= getattr(usual, parameter) <= high


@every_strategy
def test_nothing_reaches_it_but_parameters_state_and_bar(name: str) -> None:
    found = bias.sealed(defaults(name).strategy)
    assert found is None, found.text()


@every_strategy
@EXAMPLES
@given(st.data())
def test_it_sees_nothing_of_what_comes_later(name: str, data: st.DataObject) -> None:
    (strategy, params), bars, points = data.draw(cases(name))
    found = bias.look_ahead(strategy, params, bars, points)
    assert found is None, found.text()


@every_strategy
@EXAMPLES
@given(st.data())
def test_it_goes_on_as_if_it_had_never_stopped(name: str, data: st.DataObject) -> None:
    (strategy, params), bars, points = data.draw(cases(name))
    found = bias.restart(strategy, params, bars, points)
    assert found is None, found.text()


@every_strategy
@EXAMPLES
@given(st.data())
def test_its_targets_are_fractions_and_none_comes_while_it_warms_up(name: str, data: st.DataObject) -> None:
    (strategy, params), bars, _ = data.draw(cases(name))
    targets = bias.run(strategy, params, bars)
    warmup = strategy.warmup(params)
    assert warmup >= 1
    assert all(isnan(x) for target in targets[: warmup - 1] for x in each(target))
    assert all(isnan(x) or -1.0 <= x <= 1.0 for target in targets for x in each(target))
    assert {len(each(target)) for target in targets} == {len(bars[0].close) if isinstance(bars[0], PanelView) else 1}


@every_strategy
@EXAMPLES
@given(st.data())
def test_it_has_an_opinion_once_it_is_warm(name: str, data: st.DataObject) -> None:
    (strategy, params), bars, _ = data.draw(cases(name, rough=False))
    warmup = strategy.warmup(params)
    targets = bias.run(strategy, params, bars)
    assert warmup > len(bars) or not all(isnan(x) for x in each(targets[warmup - 1]))


# Recorded bars


def recorded(symbol: str) -> dict[Any, BarView]:
    root = os.environ.get("MARKET_DATA_DIR")
    if not root:
        pytest.skip("MARKET_DATA_DIR is not set")
    import pyarrow.parquet

    rows = pyarrow.parquet.read_table(Path(root, "equities", "minute", f"{symbol}_trade.parquet")).to_pylist()
    return {row["ts"]: BarView(*(float(row[field]) for field in BarView._fields)) for row in rows}


@every_strategy
def test_on_recorded_minutes_nothing_is_found(name: str) -> None:
    strategy, params = defaults(name)
    ibm = recorded("IBM")
    bars: bias.Bars = list(ibm.values())
    if strategy.panel:
        aig = recorded("AIG")
        bars = together([list(ibm.values()), [aig.get(at, ABSENT) for at in ibm]])
    assert [found.text() for found in bias.check(strategy, params, bars, points=3)] == []
    assert len({repr(target) for target in bias.run(strategy, params, bars)}) > 1  # it did say something
