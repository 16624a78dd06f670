"""What happened in one simulation, in order: for a reader, and to tell whether two runs were the same."""

from hashlib import blake2b
from typing import Any


class Story:
    """Facts, each with its time."""

    def __init__(self, clock: Any) -> None:
        """`clock`: the loop, whose `now` is read."""
        self._clock = clock
        self.facts: list[tuple[Any, ...]] = []

    def tell(self, what: str, *facts: Any) -> None:
        """Takes it down; the facts are turned into text only if somebody reads them."""
        self.facts.append((self._clock.now, what, *facts))

    @property
    def now(self) -> float:
        """The world's time, seconds."""
        return float(self._clock.now)

    def digest(self) -> str:
        """Of everything told."""
        told = blake2b(digest_size=16)
        for fact in self.facts:
            told.update("|".join(map(str, fact)).encode() + b"\n")
        return told.hexdigest()

    def lines(self) -> list[str]:
        """For people."""
        return [f"{at - 1000:10.4f}  {what:24} {' '.join(map(str, facts))}" for at, what, *facts in self.facts]
