"""The trades of one symbol in one line, each once: from a stream that may lose, repeat and swap, and from what is asked for later."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from libs.domain.market import TradeTick

_REMEMBERED: Final = 20_000


class NumberedLine:
    """Where the venue numbers its trades without gaps: a jump is a loss, and what comes after it waits until it is made good."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._waiting: dict[int, TradeTick] = {}
        self._holding = True

    def hold(self) -> None:
        """Nothing is in order until `settle`: something was missed, and is asked for."""
        self._holding = True

    def add(self, number: int, trade: TradeTick) -> Iterator[TradeTick]:
        """One trade, from wherever; gives those whose turn has come."""
        if self._next is None or number >= self._next:
            self._waiting[number] = trade
        while not self._holding and (self._next is None or self._next in self._waiting):
            number = number if self._next is None else self._next
            self._next = number + 1
            yield self._waiting.pop(number)

    def settle(self) -> Iterator[TradeTick]:
        """All that can be had has been added: gives what waits, and whatever is still missing is lost."""
        self._holding = False
        for number in sorted(self._waiting):
            self._next = number + 1
            yield self._waiting.pop(number)

    def gap(self) -> bool:
        """Whether something is missing before what waits."""
        return bool(self._waiting)

    def next_number(self) -> int | None:
        """What has to be asked for from; None before the first."""
        return self._next


class NamedLine:
    """Where ids are only names: each trade once, in the order in which it comes."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()

    def is_new(self, name: str) -> bool:
        """Whether it was never given."""
        return name not in self._seen

    def add(self, name: str, trade: TradeTick) -> Iterator[TradeTick]:
        """One trade, from wherever; gives it unless it was given before."""
        if name not in self._seen:
            self._seen[name] = None
            if len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
            yield trade
