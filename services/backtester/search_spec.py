"""What a search is asked to do, beside the backtest that each of its trials is."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from libs.domain.names import TIMEFRAMES
from libs.domain.times import SECOND
from libs.quant.folds.contract import Strategy
from libs.quant.folds.registry import find
from libs.quant.search import choice, plan
from libs.quant.search.cross_validation import scheme
from libs.quant.search.ranges import Range, in_order, ranges_of
from services.backtester.spec import Spec

Method = Literal["grid", "random", "bayes"]
METHODS: Final[Mapping[str, Method]] = {"grid": "grid", "random": "random", "bayes": "bayes"}
TRIALS: Final = 100
"""Of a search that draws, when nobody says how many."""
BATCH: Final = 8
"""Trials that a Bayesian search asks for at once. Never the number of cores: then the machine would decide what is found."""
UNITS: Final = {"m": 60 * SECOND, "h": 3_600 * SECOND, "d": TIMEFRAMES["1d"], "w": 7 * TIMEFRAMES["1d"]}


class Forward(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A walk-forward: lengths in ns of market time."""

    train: int
    test: int
    anchored: bool = False


class SearchSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One search. `backtest` names the strategy, the data and the terms; its `params` are held fixed."""

    backtest: Spec
    ranges: dict[str, Range]
    method: Method
    trials: int  # of a grid: all it has
    seed: int = 1
    metric: str = "sharpe"
    cv: str = ""  # purged:FOLDS or combinatorial:GROUPS:TESTED
    forward: Forward | None = None


def search_spec(
    backtest: Spec,
    ranges: Sequence[str],
    *,
    method: str | None = None,
    trials: int | None = None,
    seed: int = 1,
    metric: str = "sharpe",
    cv: str = "",
    forward: Forward | None = None,
) -> SearchSpec:
    """A search that can be run.

    Args:
        ranges: texts as `ranges_of` reads them; none: those that the strategy declares.
        method: None: the whole grid where it can be counted and nobody says how many trials, else drawn.

    Raises:
        ValueError: it cannot; the message says what was expected.
    """
    choice.metric(metric)
    if cv:
        scheme(cv)
    if method is not None and method not in METHODS:
        raise ValueError(f"expected method to be one of {', '.join(METHODS)}, got {method!r}")
    found = ranges_of(_strategy(backtest), ranges, backtest.params)
    chosen = METHODS[method or ("grid" if trials is None and plan.combinations(found) is not None else "random")]
    if chosen == "grid":
        if trials is not None:
            raise ValueError("a grid tries every combination: leave --trials out, or use --method random or bayes")
        count = len(plan.grid(found))
    else:
        count = plan.checked(TRIALS if trials is None else trials)
    return SearchSpec(backtest=backtest, ranges=found, method=chosen, trials=count, seed=seed, metric=metric, cv=cv, forward=forward)


def stored_spec(stored: Mapping[str, Any]) -> SearchSpec:
    """A search as the record keeps it, which does not keep the order of its ranges.

    Raises:
        ValueError: it is of another release, or its strategy is gone.
    """
    spec = msgspec.convert(stored, SearchSpec)
    return msgspec.structs.replace(spec, ranges=in_order(_strategy(spec.backtest), spec.ranges))


def _strategy(backtest: Spec) -> Strategy:
    if not backtest.strategy:
        raise ValueError("expected one strategy to search the parameters of, got a whole configuration: name it with --strategy")
    return find(backtest.strategy)


def length_of(option: str, text: str) -> int:
    """A length such as `250d`, `12h` or `2w`, in ns.

    Raises:
        ValueError: it is none.
    """
    number, unit = text[:-1], text[-1:]
    if not (number.isascii() and number.isdecimal() and unit in UNITS and int(number) > 0):
        raise ValueError(f"{option} {text}: expected a whole number above 0 and a unit: {', '.join(f'250{unit}' for unit in UNITS)}")
    return int(number) * UNITS[unit]
