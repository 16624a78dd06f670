"""A person's word for one order that is larger than usual (A06): it names book, side and the most that may be ordered, once. Pure."""

from typing import NamedTuple
from uuid import UUID

from libs.domain.orders import Side


class Permit(NamedTuple):
    """Of the account that is judged: not used yet, and not over."""

    id: UUID
    strategy_id: str
    symbol: str
    side: Side
    lots: int  # at most

    def covers(self, strategy_id: str, symbol: str, side: Side, lots: int) -> bool:
        """Whether it names this order."""
        return (self.strategy_id, self.symbol, self.side) == (strategy_id, symbol, side) and lots <= self.lots
