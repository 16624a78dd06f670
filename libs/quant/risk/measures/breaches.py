"""What is above the most that the operator lets it be: `[[response]]` of config/risk.toml. Pure, and without numpy."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from libs.domain.measuring import MeasureName, ResponseConfig


class Breach(NamedTuple):
    """A measure above what it may be."""

    response: ResponseConfig
    seen: float

    def __str__(self) -> str:
        response = self.response
        if response.measure in ("days_to_exit", "correlation"):
            return f"{response.measure} {self.seen:.2f}, at most {response.most:g}"
        return f"{response.measure} {self.seen:.2%}, at most {response.most:.2%}"


def breaches(found: Mapping[MeasureName, float], responses: Iterable[ResponseConfig], account: str) -> list[Breach]:
    """What is above its most. A measure of exactly that is not; one that could not be taken is none.

    Args:
        account: by its configured name.
    """
    mine = (response for response in responses if response.account in ("*", account))
    return [Breach(response, seen) for response in mine if (seen := found.get(response.measure, 0.0)) > response.most]
