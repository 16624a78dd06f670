"""A search on drawn markets: what it plays, that order and cores change nothing, and what its result says."""

from typing import Any

import msgspec
import numpy as np
import pytest

from libs.quant.search.choice import METRICS, best
from services.backtester.data import Loaded
from services.backtester.run import Fingerprints
from services.backtester.search_result import Found
from services.backtester.search_run import Ended
from services.backtester.search_spec import BATCH, Forward, search_spec
from services.backtester.searching import Search
from services.backtester.spec import Spec
from services.backtester.trying import Task, tried
from tests.factories import MINUTE
from tests.searches import Here, a_bench, a_spec, run, told

WALK = Forward(train=100 * MINUTE, test=60 * MINUTE)


def result(search: Search, spec: Any, bench: Any) -> dict[str, Any]:
    return Found(spec, bench, search, Loaded(bench.tape, "drawn")).result([])


@pytest.mark.parametrize("how", [{}, {"method": "random", "trials": 9, "seed": 4}, {"method": "bayes", "trials": 11, "seed": 4}])
def test_what_is_found_does_not_depend_on_the_order_in_which_trials_are_done(how: dict[str, Any]) -> None:
    spec = a_spec(**how, forward=WALK)
    bench = a_bench(spec, length=200)
    first, other = (run(spec, bench, Here(bench, seed)) for seed in (1, 2))
    assert told(first) == told(other)
    assert len(first.trials) == spec.trials == len({tuple(trial.params.items()) for trial in first.trials})
    assert [trial.n for trial in first.trials] == list(range(1, spec.trials + 1))


def test_another_seed_draws_other_trials_and_a_bayesian_search_asks_in_batches() -> None:
    wide = ("fast=1:30", "slow=2:60")
    spec = a_spec(*wide, method="bayes", trials=2 * BATCH, seed=1)
    other = msgspec.structs.replace(spec, seed=2)
    bench = a_bench(spec, length=80)
    assert [trial.params for trial in run(spec, bench).trials] != [trial.params for trial in run(other, bench).trials]


def test_a_bayesian_search_of_a_small_grid_tries_each_combination_once() -> None:
    spec = a_spec("fast=1:3", "slow=4,5", method="bayes", trials=50)
    assert len(run(spec, a_bench(spec, length=60)).trials) == 6


def test_parameters_that_the_strategy_refuses_are_trials_that_could_not_be_run() -> None:
    spec = a_spec()
    bench = a_bench(spec)
    search = run(spec, bench)
    refused = [trial for trial in search.trials if trial.params["fast"] >= trial.params["slow"]]
    assert [trial for trial in search.trials if trial.error] == refused != []
    assert all("expected 1 <= fast < slow" in trial.error for trial in refused)
    said = result(search, spec, bench)
    assert said["counted"] == len(search.trials) - len(refused)
    assert f"{len(refused)} of {len(search.trials)} trials could not be run" in said["words"][0]


def test_a_walk_forward_trades_what_its_training_chose_and_its_training_saw_nothing_later() -> None:
    spec = a_spec(forward=WALK)
    bench = a_bench(spec, length=220)
    search = run(spec, bench)
    assert [each.window for each in search.walked] == search.windows
    for window, chosen, figures, equity in search.walked:
        early = msgspec.structs.replace(spec, forward=None)
        training = [
            tried(bench, Task(key=n, n=n, params=trial.params, begins=window.begins, ends=window.chooses)).trial(n, trial.params)
            for n, trial in enumerate(run(early, a_bench(early, bench.tape.until(window.chooses))).trials, 1)
        ]
        again = best(training, METRICS["sharpe"])
        assert again is not None
        assert (again.params, again.figures) == (chosen.params, chosen.figures)
        assert window.chooses < equity.times[0] <= equity.times[-1] <= window.ends
        assert figures.bars == len(equity.times)


def test_the_result_of_a_walk_forward_is_its_tests_one_after_another() -> None:
    spec = a_spec(forward=Forward(train=100 * MINUTE, test=60 * MINUTE, anchored=True), cv="purged:4")
    bench = a_bench(spec, length=220)
    search = run(spec, bench)
    said = result(search, spec, bench)
    growth = 1.0
    for each in search.walked:
        growth *= 1 + each.figures.total_return
    walk = said["walk_forward"]
    assert walk["figures"]["total_return"] == pytest.approx(growth - 1)
    assert walk["figures"]["bars"] == len(walk["equity"]) == 120
    assert {window["train"][0] for window in walk["windows"]} == {said["from"]}
    assert len(said["cross_validation"]["folds"]) == 4
    assert said["label"] in ("overfitted", "not shown", "credible")
    assert msgspec.json.decode(msgspec.json.encode(said)) == said


def test_an_account_that_stands_still_in_a_window_has_that_time_in_its_sharpe_ratio() -> None:
    spec = a_spec("fast=2", "slow=20", forward=Forward(train=30 * MINUTE, test=30 * MINUTE))
    bench = a_bench(spec, length=240)
    search = run(spec, bench)
    traded = result(search, spec, bench)["walk_forward"]
    still, *rest = search.walked
    search.walked, search.idle = rest, sorted([*search.idle, still.window])
    said = result(search, spec, bench)
    assert len(said["walk_forward"]["equity"]) == said["walk_forward"]["figures"]["bars"] == traded["figures"]["bars"] == 210
    values = np.array([1e5, *(value for _, value in said["walk_forward"]["equity"])])
    assert (np.diff(values) == 0).sum() > 30
    returns = np.diff(values) / values[:-1]
    assert said["walk_forward"]["figures"]["sharpe"] == pytest.approx(returns.mean() / returns.std(ddof=1) * np.sqrt(365 * 1440))
    assert f"In {len(search.idle)} windows no trial traded in training" in " ".join(said["words"])


def test_a_walk_forward_that_is_interrupted_does_not_say_that_nothing_traded() -> None:
    spec = a_spec(forward=WALK)
    bench = a_bench(spec, length=220)
    search = run(spec, bench)
    search.walked.pop()
    words = " ".join(Found(spec, bench, search, Loaded(bench.tape, "drawn")).result([], stopped="interrupted")["words"])
    assert "no trial traded" not in words
    assert "1 of 2 windows of the walk-forward were not played" in words


def test_cross_validation_never_chooses_what_never_traded() -> None:
    spec = a_spec("fast=1,2,150", "slow=160,4", cv="purged:4", metric="max_drawdown")
    bench = a_bench(spec, length=140)
    search = run(spec, bench)
    traded = {trial.n for trial in search.trials if trial.traded}
    assert {trial.n for trial in search.trials if trial.figures} > traded
    assert {fold["chosen"] for fold in result(search, spec, bench)["cross_validation"]["folds"]} <= traded


def test_a_strategy_with_nothing_to_run_on_is_refused_with_the_reason() -> None:
    backtest = Spec(strategy="pairs", data="drawn", risk=False, engine="event")
    spec = search_spec(backtest, ["length=10,20"])
    with pytest.raises(ValueError, match=r"not one of 2 trials could be run; .* pairs runs over 2 to 2 symbols, this market has 1"):
        run(spec, a_bench(spec))


def test_a_search_that_was_stopped_has_the_fingerprint_of_what_was_done() -> None:
    spec = a_spec()
    bench = a_bench(spec, length=60)
    search, prints = run(spec, bench), Fingerprints(data="d", code="c", config="f", engine="e", all="a")
    whole = Ended(Found(spec, bench, search, Loaded(bench.tape, "drawn")), prints, "done", "", 1.0)
    stopped = whole._replace(state="interrupted", stopped="interrupted")
    seen = [whole.fingerprint, stopped.fingerprint]
    search.trials.pop()
    assert whole.fingerprint == seen[0]
    assert len({*seen, stopped.fingerprint}) == 3


def test_windows_that_do_not_fit_are_refused_with_what_there_is() -> None:
    spec = a_spec(forward=Forward(train=10**6 * MINUTE, test=MINUTE))
    with pytest.raises(ValueError, match="room for one training and at least two tests, and the data reach from"):
        run(spec, a_bench(spec))


def test_what_was_found_until_an_interruption_is_kept_and_judged() -> None:
    class Interrupted(Here):
        def play(self, tasks: Any) -> Any:
            for n, done in enumerate(super().play(tasks)):
                if n == 7:
                    raise KeyboardInterrupt
                yield done

    spec = a_spec()
    bench = a_bench(spec)
    search = Search(spec, bench, Interrupted(bench), lambda done, of: None)
    with pytest.raises(KeyboardInterrupt):
        search.run()
    assert len(search.trials) == 7
    assert [trial.n for trial in search.trials] == sorted(trial.n for trial in search.trials)
    said = Found(spec, bench, search, Loaded(bench.tape, "drawn")).result([], stopped="interrupted")
    assert said["stopped"] == "interrupted"
