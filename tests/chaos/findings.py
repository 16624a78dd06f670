"""What a check has found: one thing that must not be."""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from typing import Final, Literal, NamedTuple

Letter = Literal["L", "D", "F", "B", "R", "S"]
LETTERS: Final[tuple[Letter, ...]] = ("L", "D", "F", "B", "R", "S")


class Finding(NamedTuple):
    letter: Letter  # of the invariant that it breaks
    about: str  # the order, fill, stream or balance
    text: str

    def __str__(self) -> str:
        return f"{self.letter}: {self.text}"


def twice(letter: Letter, text: str, keys: Iterable[tuple[Hashable, ...]]) -> Iterator[Finding]:
    """Keys that are there more than once; `text` is formatted with the key and `n`."""
    for key, n in Counter(keys).items():
        if n > 1:
            yield Finding(letter, " ".join(map(str, key)), text.format(*key, n=n))
