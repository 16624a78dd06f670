"""The best bid and offer, from rows that each say what became of one side."""

from typing import Literal, NamedTuple

Nothing = Literal["one_sided", "crossed", "unchanged"]
"""Why an update made no quote: the other side is not known yet, it lies beyond the other side, or it says what is known."""


class Best(NamedTuple):
    """The best of both sides."""

    bid: float
    ask: float
    bid_size: float
    ask_size: float


class BestQuote:
    """Keeps the newest update of each side; pure. A price of 0 leaves its side as it is.

    While the two cross, one of them is old: nothing comes out until the other is heard.
    """

    def __init__(self) -> None:
        self._bid, self._bid_size = 0.0, 0.0
        self._ask, self._ask_size = 0.0, 0.0
        self._given: Best | None = None

    def add(self, bid: float, ask: float, bid_size: float, ask_size: float) -> Best | Nothing:
        """The quote after an update, when there is one and it is news."""
        if bid > 0:
            self._bid, self._bid_size = bid, bid_size
        if ask > 0:
            self._ask, self._ask_size = ask, ask_size
        best = Best(self._bid, self._ask, self._bid_size, self._ask_size)
        if not (best.bid > 0 and best.ask > 0):
            return "one_sided"
        if best.bid > best.ask:
            return "crossed"
        if best == self._given:
            return "unchanged"
        self._given = best
        return best
