"""Trials as tasks of a Ray cluster: the tape lies once in its object store, and what is found is the same as here, to the last digit."""

import pickle
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Final

import msgspec

from services.backtester.trying import Bench, Lost, Task, Tried, tried

LOCAL: Final = "local"
"""A cluster of this machine's own, for as long as the search takes."""
AHEAD: Final = 2
"""Tasks for each core that are with the cluster at a time."""


class RayCrew:
    """A cluster that plays trials. Its machines need this release installed, and the versions of Python and Ray that are here."""

    def __init__(self, bench: Bench, address: str, workers: int) -> None:
        """
        Args:
            address: `ray://HOST:PORT`, `HOST:PORT`, `auto` (one that runs on this machine) or `local`.
            workers: cores of a local one.

        Raises:
            ValueError: Ray is not installed, or nobody answers there.
        """
        try:
            import ray
        except ImportError as error:
            raise ValueError("--ray needs Ray, which is not installed: `make ray`, or pip install 'tradewinds[ray]'") from error
        self._ray, self._address, self._workers = ray, address, workers
        self._packed = bench.packed()

    def __enter__(self) -> "RayCrew":
        ray = self._ray
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
        try:
            if self._address == LOCAL:
                ray.init(num_cpus=self._workers, include_dashboard=False, **quiet)
            else:
                ray.init(address=self._address, **quiet)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ValueError(f"--ray {self._address}: no Ray cluster answers: {error}") from error
        self._bench = ray.put(self._packed)
        self._play = ray.remote(_play)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ray.shutdown()

    def play(self, tasks: Sequence[Task]) -> Iterator[Tried]:
        """Each task's outcome, as they come. A machine that is lost has its tasks played by another.

        Raises:
            Lost: a task took down every process that tried to play it.
        """
        ray = self._ray
        most = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        waiting, flying = list(reversed(tasks)), dict[Any, Task]()
        while waiting or flying:
            while waiting and len(flying) < most:
                task = waiting.pop()
                flying[self._play.remote([self._bench], msgspec.msgpack.encode(task))] = task
            done, _ = ray.wait(list(flying))
            for reference in done:
                task = flying.pop(reference)
                try:
                    yield msgspec.msgpack.decode(ray.get(reference), type=Tried)
                except ray.exceptions.RayError as error:
                    raise Lost(f"Ray lost {task.words}: {error}") from error


_BENCHES: Final[dict[str, Bench]] = {}
"""Of a process of the cluster: the one it plays on, and its cut tapes with it."""


def _play(at: Sequence[Any], task: bytes) -> bytes:
    """
    Args:
        at: the reference of the bench, in a list, so that Ray does not fetch it for each task anew.
    """
    import ray

    if (key := at[0].hex()) not in _BENCHES:
        _BENCHES.clear()
        _BENCHES[key] = pickle.loads(ray.get(at[0]))  # from the search that has put it there
    return msgspec.msgpack.encode(tried(_BENCHES[key], msgspec.msgpack.decode(task, type=Task)))
