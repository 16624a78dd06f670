"""A search: its trials, and the windows of its walk-forward. What is found hangs on the spec and the data, not on who plays it when."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from libs.quant.backtest.report import Equity, Figures
from libs.quant.search import plan
from libs.quant.search.choice import best, metric, score
from libs.quant.search.plan import Params
from libs.quant.search.trial import Trial
from libs.quant.search.walk_forward import Window, windows
from services.backtester.bayes import Asking
from services.backtester.search_spec import BATCH, SearchSpec
from services.backtester.trying import Bench, Crew, Lost, Task


class Walked(NamedTuple):
    """A window that was traded with what its training had chosen."""

    window: Window
    chosen: Trial  # figures of the training
    figures: Figures  # of the test
    equity: Equity  # of the test, from the deposit on


class Search:
    """Runs a search. What was found until it is interrupted stays in `trials` and `walked`."""

    def __init__(self, spec: SearchSpec, bench: Bench, crew: Crew, progress: Callable[[int, int], None]) -> None:
        """
        Args:
            progress: told how many backtests of how many are done.

        Raises:
            ValueError: there is no room for the windows.
        """
        self.trials: list[Trial] = []
        self.walked: list[Walked] = []
        self.windows: list[Window] = []
        self.idle: list[Window] = []  # in whose training nothing traded, so that nothing was chosen
        if spec.forward is not None:
            train, test, anchored = spec.forward.train, spec.forward.test, spec.forward.anchored
            self.windows = windows(bench.tape.since, bench.tape.last_known(), train, test, anchored=anchored)
        self._spec, self._crew, self._metric = spec, crew, metric(spec.metric)
        self._planned = [] if spec.method == "bayes" else _planned(spec)
        self._progress, self._done = progress, 0
        self._total = (len(self._planned) or spec.trials) * (1 + len(self.windows)) + len(self.windows)

    def run(self) -> None:
        """
        Raises:
            Lost: a trial took down the process that played it, or failed in a test only.
            ValueError: not one trial could be run; the message says why.
        """
        try:
            self._try([_WHOLE], lambda _, trial: self.trials.append(trial))
        finally:
            self.trials.sort()
        if self.trials and all(trial.figures is None for trial in self.trials):
            raise ValueError(f"not one of {len(self.trials):,} trials could be run; the first: {self.trials[0].error}")
        if self.windows:
            self._walk()

    def _walk(self) -> None:
        trained: dict[Window, list[Trial]] = {window: [] for window in self.windows}
        self._try(self.windows, lambda window, trial: trained[window].append(trial))
        self.idle = [window for window, trials in trained.items() if best(trials, self._metric) is None]
        chosen = [(window, found) for window, trials in trained.items() if (found := best(trials, self._metric)) is not None]
        tasks = [
            Task(key=key, n=found.n, params=found.params, begins=window.chooses, ends=window.ends, curve=True)
            for key, (window, found) in enumerate(chosen)
        ]
        for tried in self._crew.play(tasks):
            window, found = chosen[tried.key]
            if tried.figures is None:
                raise Lost(f"{tasks[tried.key].words} ran in its training and not in its test: {tried.error}")
            self.walked.append(Walked(window, found, tried.figures, tried.equity))
            self._step()
        self.walked.sort(key=lambda walked: walked.window)

    def _try(self, over: Sequence[Window], keep: Callable[[Window, Trial], None]) -> None:
        """Searches each window's training."""
        if self._spec.method == "bayes":
            for n, window in enumerate(over):
                self._ask(window, self._spec.seed + n, keep)
            return
        self._play([(window, n, params) for window in over for n, params in enumerate(self._planned, 1)], keep)

    def _ask(self, window: Window, seed: int, keep: Callable[[Window, Trial], None]) -> None:
        asking, n = Asking(self._spec.ranges, self._spec.trials, seed), 0
        while asked := asking.ask(BATCH):
            found: list[Trial] = []

            def heard(window: Window, trial: Trial, found: list[Trial] = found) -> None:
                keep(window, trial)
                found.append(trial)

            self._play([(window, n + at, params) for at, params in enumerate(asked, 1)], heard)
            n += len(asked)
            for trial in sorted(found):
                asking.tell(trial.params, score(trial, self._metric))

    def _play(self, wanted: Iterable[tuple[Window, int, Params]], keep: Callable[[Window, Trial], None]) -> None:
        found = list(wanted)
        tasks = [
            Task(key=key, n=n, params=params, begins=window.begins, ends=window.chooses) for key, (window, n, params) in enumerate(found)
        ]
        for tried in self._crew.play(tasks):
            window, n, params = found[tried.key]
            keep(window, tried.trial(n, params))
            self._step()

    def _step(self) -> None:
        self._done += 1
        self._progress(self._done, self._total)


_WHOLE = Window(0, 0, 0)
"""All there is."""


def _planned(spec: SearchSpec) -> list[Params]:
    return plan.grid(spec.ranges) if spec.method == "grid" else plan.drawn(spec.ranges, spec.trials, spec.seed)
