"""Whether the best of a search can be believed: every trial counts, also those of earlier searches over the same data."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from libs.quant.search.trial import Trial
from libs.quant.validation.overfitting import BLOCKS, LEAST_ROWS, Overfitting, overfitting
from libs.quant.validation.sharpe import Deflated, deflated, sharpe
from libs.quant.validation.verdict import verdict


class Earlier(NamedTuple):
    """A trial of an earlier search of the same strategy over the same data."""

    params: Mapping[str, float | int]
    sharpe: float  # per period of its returns, which follows from the data
    traded: bool = True


class Judged(NamedTuple):
    """What the trials of a search say together."""

    counted: int  # different trials there were, of this search and of earlier ones
    deflated: Deflated | None  # None where the best cannot be judged, and the words say why
    overfitting: Overfitting | None
    label: str
    words: tuple[str, ...]


def ratio(trial: Trial) -> float:
    """Sharpe ratio of a trial per period, that trials are counted with; 0 of one that has too few periods."""
    return sharpe(trial.returns).ratio if len(trial.returns) > 1 else 0.0


def judged(best: Trial | None, trials: Sequence[Trial], earlier: Sequence[Earlier]) -> Judged:
    """
    Args:
        best: of the trials; None where none of them has a score.
        earlier: of which those that say what a trial of this search says too count once: to repeat is not to search.
    """
    ran = [trial for trial in trials if trial.figures is not None]
    ratios = {_key(trial.params, own := ratio(trial)): (own, trial.traded) for trial in ran}
    mine = len(ratios)
    ratios |= {_key(trial.params, trial.sharpe): (trial.sharpe, trial.traded) for trial in earlier}
    counts = _counts(trials, len(ratios) - mine)
    if best is None or len(best.returns) < 2:
        return Judged(len(ratios), None, None, "not shown", (*counts, _nothing(best)))
    compared = [own for own, traded in ratios.values() if traded]  # equal ones that never traded would make the others seem alike
    found = deflated(best.returns, compared, len(ratios))
    choice = _overfitting([trial for trial in ran if trial.traded])
    said = verdict(found, choice)
    return Judged(len(ratios), found, choice, said.label, (*counts, *said.words))


def _key(params: Mapping[str, float | int], its: float) -> tuple[Any, ...]:
    return (*sorted(params.items()), its)


def _overfitting(ran: Sequence[Trial]) -> Overfitting | None:
    if len(ran) < 2 or len(ran[0].returns) < LEAST_ROWS * BLOCKS:
        return None
    try:
        return overfitting(np.column_stack([trial.returns for trial in ran]))
    except ValueError:  # hardly any column has finite returns: there is nothing to compare
        return None


def _counts(trials: Sequence[Trial], earlier: int) -> list[str]:
    said = []
    if broken := [trial for trial in trials if trial.figures is None]:
        said.append(f"{len(broken):,} of {len(trials):,} trials could not be run and do not count. The first: {broken[0].error}")
    if idle := sum(trial.figures is not None and not trial.traded for trial in trials):
        said.append(f"{idle:,} of {len(trials):,} trials never traded: they count as tried, and the others are not compared with them.")
    if earlier:
        known = "trial of this strategy over the same data is" if earlier == 1 else "trials of this strategy over the same data are"
        said.append(f"{earlier:,} other {known} on record, and count{'s' if earlier == 1 else ''}.")
    return said


def _nothing(best: Trial | None) -> str:
    if best is not None:
        return "There are too few bars to judge anything: one period has no deviation."
    return "No trial traded, so there is no best one."
