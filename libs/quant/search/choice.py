"""The best trial of a search, by a metric that is named."""

from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from libs.quant.backtest.report import Figures
from libs.quant.search.trial import Trial
from libs.quant.validation.sharpe import sharpe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LEAST_FALL: Final = 1e-4
"""A drawdown below this counts as this much, so that a trial of one lucky day is not the best of all."""


class Metric(NamedTuple):
    """What trials are compared by: larger is better."""

    what: str
    of_figures: Callable[[Figures], float]
    of_returns: "Callable[[Floats], float]"
    """Of a part of a trial's periods, in order, as cross-validation takes them."""


def _ratio(returns: "Floats") -> float:
    return sharpe(returns).ratio if len(returns) > 1 else 0.0


def _growth(returns: "Floats") -> float:
    return float(np.prod(1 + returns)) - 1


def _fall(returns: "Floats") -> float:
    worth = np.concatenate(([1.0], np.cumprod(1 + returns)))
    return float((1 - worth / np.maximum.accumulate(worth)).max())


METRICS: Final[Mapping[str, Metric]] = {
    "sharpe": Metric("yearly Sharpe ratio", lambda f: f.sharpe, _ratio),
    "total_return": Metric("total return", lambda f: f.total_return, _growth),
    "return_over_drawdown": Metric(
        "total return over the largest fall",
        lambda f: f.total_return / max(f.max_drawdown, LEAST_FALL),
        lambda returns: _growth(returns) / max(_fall(returns), LEAST_FALL),
    ),
    "max_drawdown": Metric("smallest largest fall", lambda f: -f.max_drawdown, lambda returns: -_fall(returns)),
}


def metric(name: str) -> Metric:
    """The metric of that name.

    Raises:
        ValueError: there is none, and the message lists those there are.
    """
    if name not in METRICS:
        raise ValueError(f"expected metric to be one of {', '.join(METRICS)}, got {name!r}")
    return METRICS[name]


def score(trial: Trial, by: Metric) -> float | None:
    """What a trial is worth; None where it has no worth: it did not run, never traded, or its figure is no number."""
    if trial.figures is None or not trial.traded:
        return None
    value = by.of_figures(trial.figures)
    return value if isfinite(value) else None


def best(trials: Iterable[Trial], by: Metric) -> Trial | None:
    """The one with the highest score; of equal ones the one with the smaller number; None where none has a score."""
    scored = [(value, trial) for trial in trials if (value := score(trial, by)) is not None]
    return max(scored, key=lambda pair: (pair[0], -pair[1].n))[1] if scored else None
