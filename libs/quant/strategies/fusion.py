"""Fusion: several strategies on one symbol, merged into one target.

The rule is the linear opinion pool: the mean of the members' targets by weight. A vote, a veto or the strongest member can
take its place. Source: Genest and Zidek (1986), Combining Probability Distributions: A Critique and an Annotated
Bibliography, for the pool; Kuncheva (2004), Combining Pattern Classifiers, for votes by weight.
"""

from collections.abc import Sequence
from math import floor
from types import GenericAlias
from typing import Any, Final, NamedTuple

from libs.quant.folds.contract import BarView, Strategy
from libs.quant.folds.registry import Member


class Params(NamedTuple):
    """How opinions that differ become one."""

    conflict: int = 0  # 0 mean by weight, 1 majority of weight, 2 unanimous or flat, 3 the strongest wins
    half_life: float = 0.0  # bars after which an unchanged opinion counts half; 0: it never fades
    threshold: float = 0.0  # a merged target below it is flat
    agreement: float = 0.0  # exponent of the agreement that the merged target is scaled by; 0: not scaled
    step: float = 0.0  # targets are rounded to multiples of it; 0: not rounded


class State(NamedTuple):
    """What a restart has to find again. Each combination has a type of its own, in which `members` is typed: see `_state`."""

    members: tuple[Any, ...]
    targets: list[float]  # the members' last
    ages: list[int]  # bars since each changed


class Voice(NamedTuple):
    """What a member that has an opinion says."""

    weight: float  # above 0
    fresh: float  # 1 when its target has just changed, falling towards 0
    target: float


def combine(members: Sequence[Member]) -> Strategy:
    """The fusion of these; of none it never has an opinion.

    Raises:
        ValueError: no member has any weight.
    """
    if members and not any(member.weight > 0.0 for member in members):
        raise ValueError("fusion: expected at least one member with a weight above 0, got none")
    state_type = _state(members)

    def init(params: Params) -> State:
        """Nothing seen, no opinions."""
        states = tuple(member.strategy.init(member.params) for member in members)
        return state_type(states, [float("nan")] * len(members), [0] * len(members))

    def step(state: State, bar: BarView, params: Params) -> tuple[State, float]:
        """Every member sees the bar; those still warming up have no say, and while all are, there is no opinion."""
        states, targets, ages = list(state.members), state.targets, state.ages
        voices = []
        for n, (strategy, its_params, weight) in enumerate(members):
            states[n], target = strategy.step(states[n], bar, its_params)
            ages[n] = ages[n] + 1 if target == targets[n] else 0
            targets[n] = target
            if target == target and weight > 0.0:
                fresh = 0.5 ** (ages[n] / params.half_life) if params.half_life else 1.0
                voices.append(Voice(weight, fresh, target))
        return state_type(tuple(states), targets, ages), merged(voices, params)

    def warmup(params: Params) -> int:
        """The first member to have an opinion."""
        return min((member.strategy.warmup(member.params) for member in members if member.weight > 0.0), default=1)

    return Strategy(
        name="fusion",
        params=Params,
        state=state_type,
        init=init,
        step=step,
        warmup=warmup,
        check=check,
        source="Genest and Zidek (1986); Kuncheva (2004)",
        ranges={"conflict": (0, 3), "half_life": (0.0, 250.0), "threshold": (0.0, 0.5), "agreement": (0.0, 3.0), "step": (0.0, 0.5)},
        members=(1, 16),
        combine=combine,
    )


def _state(members: Sequence[Member]) -> type[State]:
    """State with the types of the members' states in it, so that a stored one is read back by type."""
    states = GenericAlias(tuple, tuple(member.strategy.state for member in members))
    return type("State", (State,), {"__slots__": (), "__annotations__": {**State.__annotations__, "members": states}})


def merged(voices: Sequence[Voice], params: Params) -> float:
    """One target of all, -1 to 1; NaN of none."""
    if not voices:
        return float("nan")
    target = RULES[params.conflict](voices)
    if params.agreement:
        target *= _agreement(voices) ** params.agreement
    if params.step:
        target = max(-1.0, min(1.0, floor(target / params.step + 0.5) * params.step))
    return target if abs(target) >= params.threshold else 0.0


def _mean(voices: Sequence[Voice]) -> float:
    """The mean by weight; what has faded of an opinion counts as flat."""
    return sum(weight * fresh * target for weight, fresh, target in voices) / sum(voice.weight for voice in voices)


def _majority(voices: Sequence[Voice]) -> float:
    """The mean of the side that has more than half of all weight behind it, faded opinions counting less; flat if none has."""
    half = sum(voice.weight for voice in voices) / 2.0
    for side in (1.0, -1.0):
        behind = [voice for voice in voices if voice.target * side > 0.0]
        if sum(voice.weight * voice.fresh for voice in behind) > half:
            return _mean(behind)
    return 0.0


def _unanimous(voices: Sequence[Voice]) -> float:
    """The mean, if all are on one side."""
    agreed = all(voice.target > 0.0 for voice in voices) or all(voice.target < 0.0 for voice in voices)
    return _mean(voices) if agreed else 0.0


def _strongest(voices: Sequence[Voice]) -> float:
    """The opinion with the most weight x freshness x size; of equal ones the first."""
    _, fresh, target = max(voices, key=lambda voice: voice.weight * voice.fresh * abs(voice.target))
    return fresh * target


RULES: Final = (_mean, _majority, _unanimous, _strongest)
"""By the number that `conflict` gives them."""


def _agreement(voices: Sequence[Voice]) -> float:
    """|pool of the signs|: 1 when all are on one side, 0 when both sides weigh the same."""
    net = sum(voice.weight if voice.target > 0.0 else -voice.weight for voice in voices if voice.target != 0.0)
    return abs(net) / sum(voice.weight for voice in voices)


def check(params: Params) -> str | None:
    """A rule there is, numbers within reason; a fading opinion needs steps, or it would trade on every bar."""
    if not 0 <= params.conflict < len(RULES):
        return f"expected conflict to be 0, 1, 2 or 3, got conflict={params.conflict}"
    if not 0.0 <= params.half_life <= 1e6:
        return f"expected 0 <= half_life <= 1e6, got half_life={params.half_life}"
    if not 0.0 <= params.threshold <= 1.0:
        return f"expected 0 <= threshold <= 1, got threshold={params.threshold}"
    if not 0.0 <= params.agreement <= 10.0:
        return f"expected 0 <= agreement <= 10, got agreement={params.agreement}"
    if not (params.step == 0.0 or 0.001 <= params.step <= 1.0):
        return f"expected step to be 0 or 0.001 to 1, got step={params.step}"
    if params.half_life > 0.0 and params.step == 0.0:
        return f"expected step > 0 with half_life > 0 (a fading opinion changes on every bar), got step=0, half_life={params.half_life}"
    return None


STRATEGY = combine([])
