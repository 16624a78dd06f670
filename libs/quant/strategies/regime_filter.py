"""Regime filter: a strategy's target counts while the market is in a regime that suits it, and not outside.

Two regimes must both hold. Volatility: that of the last `fast` bars over that of the last `slow` is within [low, high].
Trend: the average directional index is at least `adx_min`. Source: Ang and Timmermann (2012), Regime Changes and Financial
Markets, for volatility regimes; Wilder (1978), New Concepts in Technical Trading Systems, for the index and its threshold.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from libs.quant.folds.contract import BarView, Strategy
from libs.quant.folds.registry import Member
from libs.quant.indicators import adx, volatility
from libs.quant.strategies import sma_cross


class Params(NamedTuple):
    """Lengths in bars: 2 <= fast < slow."""

    fast: int = 20
    slow: int = 100
    low: float = 0.0  # least fast volatility over slow; 0: any
    high: float = 1.5  # most; 1000 is as good as any
    adx_length: int = 14
    adx_min: float = 20.0  # 0 to 100; 0: any
    outside: float = 0.0  # what is left of the target outside the regime: 0 nothing, 0.5 half


class State(NamedTuple):
    """What a restart has to find again. Around each member a type of its own, in which `member` is typed: see `_state`."""

    member: Any
    fast: volatility.State
    slow: volatility.State
    trend: adx.State


def combine(members: Sequence[Member]) -> Strategy:
    """The filter around one strategy."""
    (member,) = members
    strategy, its_params = member.strategy, member.params
    state_type = _state(member)

    def init(params: Params) -> State:
        """Nothing seen, no opinion."""
        return state_type(
            strategy.init(its_params), volatility.init(params.fast), volatility.init(params.slow), adx.init(params.adx_length)
        )

    def step(state: State, bar: BarView, params: Params) -> tuple[State, float]:
        """The member's target in the regime, `outside` of it outside; NaN until both can be told."""
        inner, target = strategy.step(state.member, bar, its_params)
        fast, fast_volatility = volatility.step(state.fast, bar.close)
        slow, slow_volatility = volatility.step(state.slow, bar.close)
        trend, lines = adx.step(state.trend, bar.high, bar.low, bar.close)
        if slow_volatility != slow_volatility or lines.adx != lines.adx:
            target = float("nan")
        elif not (params.low * slow_volatility <= fast_volatility <= params.high * slow_volatility and lines.adx >= params.adx_min):
            target = target * params.outside or 0.0  # never -0.0
        return state_type(inner, fast, slow, trend), target

    def warmup(params: Params) -> int:
        """The last of the member and the two regimes to be ready."""
        return max(strategy.warmup(its_params), params.slow + 1, 2 * params.adx_length)

    return Strategy(
        name="regime_filter",
        params=Params,
        state=state_type,
        init=init,
        step=step,
        warmup=warmup,
        check=check,
        source="Ang and Timmermann (2012); Wilder (1978)",
        ranges={
            "fast": (2, 50),
            "slow": (10, 250),
            "low": (0.0, 0.9),
            "high": (1.0, 3.0),
            "adx_length": (2, 50),
            "adx_min": (0.0, 50.0),
            "outside": (0.0, 1.0),
        },
        members=(1, 1),
        combine=combine,
    )


def _state(member: Member) -> type[State]:
    """State with the type of the member's state in it, so that a stored one is read back by type."""
    return type("State", (State,), {"__slots__": (), "__annotations__": {**State.__annotations__, "member": member.strategy.state}})


def check(params: Params) -> str | None:
    """Lengths and bounds in order, numbers within reason."""
    if not 2 <= params.fast < params.slow <= 10_000:
        return f"expected 2 <= fast < slow <= 10000, got fast={params.fast}, slow={params.slow}"
    if not 0.0 <= params.low < params.high <= 1_000.0:
        return f"expected 0 <= low < high <= 1000, got low={params.low}, high={params.high}"
    if not 2 <= params.adx_length <= 10_000:
        return f"expected 2 <= adx_length <= 10000, got adx_length={params.adx_length}"
    if not 0.0 <= params.adx_min <= 100.0:
        return f"expected 0 <= adx_min <= 100, got adx_min={params.adx_min}"
    if not 0.0 <= params.outside <= 1.0:
        return f"expected 0 <= outside <= 1, got outside={params.outside}"
    return None


STRATEGY = combine([Member(sma_cross.STRATEGY, sma_cross.Params(), 1.0)])  # the configured member takes its place
