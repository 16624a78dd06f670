"""What positions would lose if the market moved as it once did, or as the operator fears."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from libs.domain.instruments import AssetClass
from libs.domain.measuring import ShockConfig
from libs.quant.risk.measures.crises import CRISES, Crisis
from libs.quant.risk.measures.positions import Position

EVERYTHING: Final = "*"
WORST: Final = 5
_LIMITED: Final[frozenset[AssetClass]] = frozenset({"equity", "crypto", "forex"})
"""Classes whose price cannot fall below 0, whatever the beta makes of a move."""


class Scenario(NamedTuple):
    """Moves of the market as fractions, by symbol, by class of assets, or `*`; the first of them that fits a position holds."""

    name: str
    title: str
    moves: Mapping[str, float]
    recorded: bool  # it happened; else the operator thought of it


class Loss(NamedTuple):
    """Of one position."""

    symbol: str
    pnl: float


class StressTest(msgspec.Struct, frozen=True):
    """What a scenario does to the positions."""

    name: str
    title: str
    recorded: bool
    pnl: float  # money, negative is lost
    share: float | None  # of the equity; None where that is not above 0
    worst: list[Loss]  # positions that lose, the most first, at most five
    uncovered: float  # gross worth of the positions that it says nothing of


def scenarios(shocks: Sequence[ShockConfig] = (), crises: Iterable[Crisis] = CRISES) -> list[Scenario]:
    """Recorded crises, then the operator's shocks."""
    recorded = [Scenario(c.name, c.title, {str(key): index.move for key, index in c.moves.items()}, True) for c in crises]
    return recorded + [Scenario(shock.name, shock.title or shock.name, shock.moves, False) for shock in shocks]


def stress_test(scenario: Scenario, positions: Sequence[Position], betas: Mapping[str, float], equity: float) -> StressTest:
    """Every position at its moved price.

    Args:
        betas: by symbol, to the market of its class; 1 where there is none. A move given for the symbol itself needs none.
        equity: of the account, money.
    """
    moves = {p.symbol: _move(scenario.moves, p, betas.get(p.symbol, 1.0)) for p in positions}
    losses = [Loss(p.symbol, p.value * move) for p in positions if (move := moves[p.symbol]) is not None]
    pnl = sum(loss.pnl for loss in losses)
    return StressTest(
        name=scenario.name,
        title=scenario.title,
        recorded=scenario.recorded,
        pnl=pnl,
        share=pnl / equity if equity > 0.0 else None,
        worst=sorted((loss for loss in losses if loss.pnl < 0.0), key=lambda loss: loss.pnl)[:WORST],
        uncovered=sum(abs(p.value) for p in positions if moves[p.symbol] is None),
    )


def _move(moves: Mapping[str, float], position: Position, beta: float) -> float | None:
    if position.symbol in moves:
        return moves[position.symbol]
    market = moves.get(position.asset_class, moves.get(EVERYTHING))
    if market is None:
        return None
    return max(-1.0, beta * market) if position.asset_class in _LIMITED else beta * market
