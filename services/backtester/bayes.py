"""Which parameters to try next, after those that were tried: optuna's tree of Parzen estimators, asked a fixed number at a time.

Source: J. Bergstra and others, Algorithms for Hyper-Parameter Optimization (2011).
"""

from collections.abc import Mapping
from typing import Any

from libs.quant.search.plan import Params, combinations
from libs.quant.search.ranges import Number, Range

ASKS = 10
"""Answers for each trial wanted, at the most: it comes back to what it knows when little else is left."""


class Asking:
    """A conversation with optuna. Equal ranges, seed and scores make equal proposals."""

    def __init__(self, ranges: Mapping[str, Range], trials: int, seed: int) -> None:
        """
        Raises:
            ValueError: optuna is not installed.
        """
        try:
            import optuna
        except ImportError as error:
            raise ValueError("--method bayes needs optuna: pip install 'tradewinds[backtester]'") from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._failed = optuna.trial.TrialState.FAIL
        self._ranges, self._drawn_from = ranges, {name: _distribution(each) for name, each in ranges.items()}
        self._study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
        self._left = min(trials, combinations(ranges) or trials)
        self._asks = ASKS * trials
        self._scores: dict[tuple[Number, ...], float | None] = {}
        self._open: dict[tuple[Number, ...], Any] = {}

    def ask(self, count: int) -> list[Params]:
        """At most so many that were not tried yet; none when there are enough."""
        found: list[Params] = []
        while self._left and len(found) < count and self._asks:
            self._asks -= 1
            asked = self._study.ask(self._drawn_from)
            params = {name: self._value(name, asked.params[name]) for name in self._ranges}
            key = tuple(params.values())
            if key in self._scores or key in self._open:
                self._answer(asked, self._scores.get(key))
                continue
            self._open[key] = asked
            self._left -= 1
            found.append(params)
        return found

    def tell(self, params: Params, score: float | None) -> None:
        """What a proposal was worth; None: nothing that could be measured."""
        key = tuple(params.values())
        self._scores[key] = score
        self._answer(self._open.pop(key), score)

    def _answer(self, asked: Any, score: float | None) -> None:
        if score is None:
            self._study.tell(asked, state=self._failed)
        else:
            self._study.tell(asked, score)

    def _value(self, name: str, drawn: float) -> Number:
        each = self._ranges[name]
        return each.nearest(drawn) if each.count is None else each.at(int(drawn))


def _distribution(each: Range) -> Any:
    """Where values can be counted it is the number that is drawn, so that lists keep their order."""
    from optuna.distributions import FloatDistribution, IntDistribution

    count = each.count
    return FloatDistribution(each.low, each.high, log=each.log) if count is None else IntDistribution(0, count - 1)
