"""What the operator sets of risk measures: `[measures]`, `[[shock]]` and `[[response]]` in config/risk.toml."""

from math import isfinite
from typing import Annotated, Literal

import msgspec

from libs.domain.instruments import AssetClass

Share = Annotated[float, msgspec.Meta(gt=0.0, le=1.0)]


class MeasuresConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[measures]`: how risk is measured."""

    # By class of assets the symbol whose moves are those of its market; without one, betas count as 1.
    benchmarks: dict[AssetClass, str] = msgspec.field(default_factory=lambda: {"crypto": "BTC/USD"})
    confidence: Annotated[float, msgspec.Meta(gt=0.5, lt=1.0)] = 0.99  # of components and of the backtest
    decay: Annotated[float, msgspec.Meta(gt=0.0, lt=1.0)] = 0.94  # of the exponentially weighted covariance, per period
    observations: Annotated[int, msgspec.Meta(ge=30, le=5000)] = 500  # periods of history, at the most
    window: Annotated[int, msgspec.Meta(ge=20, le=2000)] = 250  # periods that each forecast of the backtest is made from
    participation: Share = 0.1  # of the daily volume that an exit would take
    paths: Annotated[int, msgspec.Meta(ge=1000, le=1_000_000)] = 10_000
    seed: Annotated[int, msgspec.Meta(ge=0)] = 1  # of the paths
    every: Annotated[float, msgspec.Meta(ge=1.0, le=86_400.0)] = 60.0  # host seconds between two measurements of an account


class ShockConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[shock]]`: a stress test of the operator's own."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_]{1,32}$")]
    title: str = ""
    moves: dict[str, float]  # fraction, by symbol (as it is), class of assets (times the position's beta), or "*" (everything else)

    def __post_init__(self) -> None:
        """ValueError: a price that no market makes; the message says which."""
        if not self.moves:
            raise ValueError("Expected at least one move in field `moves`")
        for key, move in self.moves.items():
            if not (isfinite(move) and -1.0 <= move <= 100.0):
                raise ValueError(f"Expected a fraction from -1 (all is lost) to 100 for {key!r} in field `moves`, got {move}")


MeasureName = Literal[
    # measured from history, as often as `[measures] every` says
    "value_at_risk",  # of equity, by the method that says most
    "expected_shortfall",  # of equity, likewise
    "volatility",  # of equity, per period
    "worst_stress",  # loss in the worst scenario, of equity
    "correlation",  # mean of all pairs
    "days_to_exit",
    # looked at after every fill and with every price; of equity, but for the last
    "gross_exposure",
    "net_exposure",  # either side
    "largest_position",
    "currency_exposure",  # the largest in a currency that is not the account's
    "strategy_exposure",  # the largest of one strategy
    "margin_used",  # of a margin account
    "drawdown",  # below the highest equity, of that
]
Step = Literal["warn", "throttle", "reduce_only", "halt", "flatten"]


class ResponseConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[response]]`: what is done of itself when a measure of an account is above what it may be. Only a person takes it back."""

    measure: MeasureName
    most: Annotated[float, msgspec.Meta(ge=0.0, le=1e6)]
    step: Step
    account: str = "*"  # by its configured name; "*": every one


def must_have_unique_names(shocks: list[ShockConfig]) -> None:
    """ValueError: two shocks are called alike."""
    names = [shock.name for shock in shocks]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ValueError(f"Expected one table for each name in field `shock`, got {twice!r} twice")
