"""What a search found, as JSON: what is stored, printed and drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite, sqrt
from typing import Any, Final

import numpy as np

from libs.domain.times import iso
from libs.quant.backtest.report import PLAIN, Equity, Figures, known_times
from libs.quant.price_volatility import bars_per_year
from libs.quant.search import cross_validation
from libs.quant.search.choice import Metric, best, metric, score
from libs.quant.search.ranges import Range
from libs.quant.search.trial import Trial
from libs.quant.search.walk_forward import stitched, thinned
from libs.quant.validation.overfitting import Overfitting
from services.backtester.data import Loaded
from services.backtester.judging import Earlier, judged, ratio
from services.backtester.search_spec import SearchSpec
from services.backtester.searching import Search, Walked
from services.backtester.trying import Bench

POINTS: Final = 2_000
"""Of the equity curve of a walk-forward that are kept."""
PERIOD_SHARPE: Final = "period_sharpe"
"""Among a trial's figures: what a later search counts it with."""


@dataclass(frozen=True)
class Found:
    """A search at its end, or as far as it came."""

    spec: SearchSpec
    bench: Bench
    search: Search
    loaded: Loaded

    @property
    def trials(self) -> list[dict[str, Any]]:
        """Every trial, in order."""
        by = metric(self.spec.metric)
        return [_trial(trial, by) for trial in self.search.trials]

    def result(self, earlier: Sequence[Earlier], *, stopped: str = "") -> dict[str, Any]:
        """Everything but the trials themselves.

        Args:
            stopped: why it did not come to its end; "" when it did.
        """
        spec, trials = self.spec, self.search.trials
        chosen = best(trials, metric(spec.metric))
        said = judged(chosen, trials, earlier)
        words = list(said.words)
        folds = None
        if spec.cv and not stopped:
            try:
                folds = self._validated(words)
            except ValueError as error:
                words.append(str(error))
        return {
            "strategy": spec.backtest.strategy,
            "method": spec.method,
            "metric": spec.metric,
            "seed": spec.seed,
            "ranges": {name: _range(each) for name, each in spec.ranges.items()},
            "fixed": spec.backtest.params,
            "period": self.bench.period,
            "source": self.loaded.source,
            "symbols": sorted(self.bench.tape.instruments),
            "from": iso(self.bench.tape.since),
            "to": iso(self.bench.tape.last_known()),
            "notes": list(self.loaded.labels),
            "asked": spec.trials,
            "stopped": stopped,
            "best": None if chosen is None else chosen.n,
            "deflated": None if said.deflated is None else said.deflated._asdict(),
            "overfitting": None if said.overfitting is None else _overfitting(said.overfitting),
            "label": said.label,
            "counted": said.counted,
            "cross_validation": folds,
            "walk_forward": self._walk_forward(words),
            "words": words,
        }

    def _validated(self, words: list[str]) -> dict[str, Any]:
        spec = self.spec
        how = cross_validation.scheme(spec.cv)
        traded = [trial for trial in self.search.trials if trial.traded]
        found = cross_validation.validated(traded, how, metric(spec.metric))
        better = sum(fold.test > fold.median for fold in found.folds)
        words.append(
            f"Cross-validation {spec.cv}: the choice on the other periods was better than the middle one of all trials in {better} of"
            f" {len(found.folds)} tests; choosing by chance gives half of them."
        )
        folds = [fold._asdict() | {"tested": [[part.start, part.stop] for part in fold.tested]} for fold in found.folds]
        return {"scheme": spec.cv, "folds": folds, "paths": list(found.paths)}

    def _walk_forward(self, words: list[str]) -> dict[str, Any] | None:
        walked, forward = self.search.walked, self.spec.forward
        if forward is None:
            return None
        words += _missing_words(self.search)
        if not walked:
            return None
        tape, deposit = self.bench.tape, self.spec.backtest.cash
        curve = stitched(self._curves(), float(deposit))
        year = sqrt(bars_per_year(tape.timeframes[0], next(iter(tape.instruments.values())).calendar))
        measured = PLAIN.measured(curve.values, float(deposit))
        final = float(curve.values[-1]) if len(curve.values) else float(deposit)
        figures = Figures(
            final_equity=final,
            total_return=final / float(deposit) - 1,
            max_drawdown=measured.max_drawdown,
            sharpe=measured.mean / measured.deviation * year if measured.deviation > 0 else 0.0,
            fees=float(sum((Decimal(repr(each.figures.fees)) for each in walked), Decimal(0))),
            trades=sum(each.figures.trades for each in walked),
            orders=sum(each.figures.orders for each in walked),
            refused=sum(each.figures.refused for each in walked),
            bars=sum(each.figures.bars for each in walked)
            + sum(tape.count(after=window.chooses) - tape.count(after=window.ends) for window in self.search.idle),
        )
        words += _walk_words(walked, figures)
        return {
            "anchored": forward.anchored,
            "windows": [_window(each) for each in walked],
            "equity": [[iso(at), value] for at, value in thinned(curve, POINTS)],
            "figures": figures._asdict(),
        }

    def _curves(self) -> list[Equity]:
        """Of all windows in order. An account that had nothing to trade stands still, and time goes on: its Sharpe ratio knows of it."""
        known, deposit = known_times(self.bench.tape), float(self.spec.backtest.cash)
        curves = {each.window: each.equity for each in self.search.walked}
        for window in self.search.idle:
            times = known[(known > window.chooses) & (known <= window.ends)]
            curves[window] = Equity(times, np.full(len(times), deposit))
        return [curves[window] for window in sorted(curves)]


def _trial(trial: Trial, by: Metric) -> dict[str, Any]:
    figures = None
    if trial.figures is not None:
        figures = {**trial.figures._asdict(), PERIOD_SHARPE: ratio(trial), "score": score(trial, by)}
    return {"n": trial.n, "params": trial.params, "figures": figures, "error": trial.error}


def _range(each: Range) -> dict[str, Any]:
    found = {"low": each.low, "high": each.high, "step": each.step}
    return found | ({"values": list(each.values)} if each.values else {}) | ({"log": True} if each.log else {})


def _overfitting(found: Overfitting) -> Mapping[str, Any]:
    return {name: value for name, value in found._asdict().items() if name != "logits"} | {"left_out": list(found.left_out)}


def _window(each: Walked) -> dict[str, Any]:
    begins, chooses, ends = map(iso, each.window)
    return {
        "train": [begins, chooses],
        "test": [chooses, ends],
        "params": each.chosen.params,
        "train_figures": None if each.chosen.figures is None else each.chosen.figures._asdict(),
        "test_figures": each.figures._asdict(),
    }


def _missing_words(search: Search) -> list[str]:
    """Which windows were not traded, and why."""
    words, missing = [], len(search.windows) - len(search.walked) - len(search.idle)
    if search.idle:
        words.append(f"In {len(search.idle)} windows no trial traded in training: the account stood still in them.")
    if missing:
        words.append(f"{missing} of {len(search.windows)} windows of the walk-forward were not played: the search ended before.")
    return words


def _walk_words(walked: Sequence[Walked], out: Figures) -> list[str]:
    """What the windows say that no choice has seen."""
    gains = sum(each.figures.total_return > 0 for each in walked)
    inside = [each.chosen.figures.sharpe for each in walked if each.chosen.figures is not None]
    mean = sum(inside) / len(inside) if inside else 0.0
    words = [
        f"Walk-forward: on bars that no choice had seen it made {out.total_return:+.2%} with a yearly Sharpe ratio of {out.sharpe:.2f};"
        f" the choices themselves showed {mean:.2f} on average. {gains} of {len(walked)} windows gained."
    ]
    if isfinite(mean) and mean > 0 and out.sharpe < mean / 2:
        words.append("Less than half of what the choices showed is left on new bars: expect what those show, not what the search shows.")
    return words
