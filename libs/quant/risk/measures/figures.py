"""The figures of an account's risk that are shown, and that something is done about when they are too high."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from libs.domain.measuring import MeasureName, ResponseConfig
from libs.quant.risk.measures.picture import PortfolioRisk


class Breach(NamedTuple):
    """A measure above what it may be."""

    response: ResponseConfig
    seen: float

    def __str__(self) -> str:
        response = self.response
        if response.measure in ("days_to_exit", "correlation"):
            return f"{response.measure} {self.seen:.2f}, at most {response.most:g}"
        return f"{response.measure} {self.seen:.2%}, at most {response.most:.2%}"


def figures(risk: PortfolioRisk, confidence: float) -> Mapping[MeasureName, float]:
    """Those that could be measured. Of several methods the one that says most; shares of the equity where it is above 0."""
    tails = [tail for tail in risk.tails if tail.confidence == confidence]
    found: dict[MeasureName, float] = {}
    if risk.correlation is not None:
        found["correlation"] = risk.correlation.mean
    if risk.liquidity is not None:
        found["days_to_exit"] = risk.liquidity.days
    if risk.drawdown is not None:
        found["drawdown"] = risk.drawdown.current
    if risk.equity <= 0:
        return found
    found["gross_exposure"] = risk.gross / risk.equity
    found["largest_position"] = max((abs(position.value) for position in risk.positions), default=0.0) / risk.equity
    if tails:
        found["value_at_risk"] = max(tail.value_at_risk for tail in tails) / risk.equity
        found["expected_shortfall"] = max(tail.expected_shortfall for tail in tails) / risk.equity
    if risk.volatility is not None:
        found["volatility"] = risk.volatility / risk.equity
    if risk.stress:
        found["worst_stress"] = max(0.0, *(-test.pnl / risk.equity for test in risk.stress))
    return found


def breaches(found: Mapping[MeasureName, float], responses: Iterable[ResponseConfig], account: str) -> list[Breach]:
    """What is above its most. A measure of exactly that is not; one that could not be taken is none.

    Args:
        account: by its configured name.
    """
    mine = (response for response in responses if response.account in ("*", account))
    return [Breach(response, seen) for response in mine if (seen := found.get(response.measure, 0.0)) > response.most]
