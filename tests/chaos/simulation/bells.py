"""The bus of a simulation: bells are lost, doubled, delayed and overtake each other."""

import asyncio
import fnmatch
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random

from libs.common.bus import Hear, MemoryBus, guarded
from tests.chaos.simulation.loop import Process, VirtualLoop


@dataclass
class Belfry:
    """What all processes listen to."""

    loop: VirtualLoop
    random: Random
    lost: float = 0.0
    doubled: float = 0.0
    slow_s: float = 0.003  # a bell takes up to so long
    ears: list[tuple[Process, tuple[str, ...], Hear]] = field(default_factory=list)

    def ring(self, channel: str, payload: bytes) -> None:
        """For everybody who listens, each in its own time."""
        for process, patterns, hear in self.ears:
            if process.alive and _matches(channel, patterns):
                for _ in range(2 if self.random.random() < self.doubled else 1):
                    if self.random.random() >= self.lost:
                        self.loop.later(self.random.random() * self.slow_s, self._arrive, process, hear, channel, payload)

    def _arrive(self, process: Process, hear: Hear, channel: str, payload: bytes) -> None:
        if process.alive:
            process.soon(guarded, hear, channel, payload)


class VirtualBus(MemoryBus):
    """One process's side of it."""

    def __init__(self, belfry: Belfry, process: Process) -> None:
        super().__init__()
        self._belfry = belfry
        self._process = process

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> bool:
        for channel, payload in messages:
            self._belfry.ring(channel, payload)
        return True

    async def listen(self, patterns: Sequence[str], hear: Hear, joined: Callable[[], None]) -> None:
        ear = (self._process, tuple(patterns), hear)
        self._belfry.ears.append(ear)
        joined()
        try:
            await asyncio.Event().wait()
        finally:
            self._belfry.ears.remove(ear)


@lru_cache(maxsize=1000)
def _matches(channel: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(channel, pattern) for pattern in patterns)
