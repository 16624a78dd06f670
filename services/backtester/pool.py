"""Trials on all cores of this machine. What is found does not depend on how many there are, nor on which is done first."""

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Final

import msgspec

from services.backtester.trying import Bench, Lost, Says, Task, Tried

_DECODE: Final[Callable[[bytes], Tried | Says]] = msgspec.msgpack.Decoder(Tried | Says).decode
_ENCODE: Final = msgspec.msgpack.Encoder().encode
LEAVE_S: Final = 5.0


def cores() -> int:
    """Of this machine that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass
class _Worker:
    process: "subprocess.Popen[bytes]"
    connection: "Connection[Any, Any]"
    task: Task | None = None  # what it plays


class Pool:
    """Processes that have the tape, each playing one trial at a time. They do not outlive `with`, nor this process."""

    def __init__(self, bench: Bench, workers: int, say: Callable[[str], None], *, compiles: bool = False) -> None:
        """
        Args:
            say: tells a person what takes long.
            compiles: machine code may have to be made first: one does that, and the rest wait for it.
        """
        self._bench, self._most, self._say = bench.packed(), workers, say
        self._alone = compiles
        self._workers: list[_Worker] = []

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for worker in self._workers:
            worker.connection.close()
            if worker.task is not None:
                worker.process.terminate()
        for worker in self._workers:
            try:
                worker.process.wait(LEAVE_S)
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()

    def play(self, tasks: Sequence[Task]) -> Iterator[Tried]:
        """Each task's outcome, as they come.

        Raises:
            Lost: a process died; the message names the trial that it played.
        """
        waiting = deque(tasks)
        self._staff(min(self._most, len(waiting)))
        while True:
            for worker in self._workers:
                if waiting and worker.task is None and not (self._alone and self._busy()):
                    self._hand(worker, waiting.popleft())
            busy = self._busy()
            if not busy:
                return
            ready = wait([worker.connection for worker in busy])
            for worker in busy:
                if worker.connection in ready and (found := self._heard(worker)) is not None:
                    yield found

    def _busy(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.task is not None]

    def _staff(self, count: int) -> None:
        """Starts as many as are missing: all begin to load what they need, then each gets the tape."""
        fresh = [_started() for _ in range(count - len(self._workers))]
        self._workers += fresh
        for worker in fresh:
            self._send(worker, self._bench)

    def _hand(self, worker: _Worker, task: Task) -> None:
        worker.task = task
        self._send(worker, _ENCODE(task))

    def _send(self, worker: _Worker, what: bytes) -> None:
        with suppress(ConnectionError):  # it is gone, and reading from it says so
            worker.connection.send_bytes(what)

    def _heard(self, worker: _Worker) -> Tried | None:
        try:
            said = _DECODE(worker.connection.recv_bytes())
        except (EOFError, OSError):  # an OSError where it was killed in the midst of an answer
            raise Lost(_last_words(worker)) from None
        if isinstance(said, Says):
            self._say(said.text)
            return None
        worker.task, self._alone = None, False
        return said


def _started() -> _Worker:
    ours, theirs = Pipe()
    command = [sys.executable, "-m", "services.backtester.searcher", str(theirs.fileno())]
    try:  # a group of its own: Ctrl-C is for whoever runs the search, who then sends these home
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], process_group=0)
    finally:
        theirs.close()
    return _Worker(process, ours)


def _last_words(worker: _Worker) -> str:
    code = worker.process.wait()
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"it left with exit code {code}, and stderr says why"
    what = worker.task.words if worker.task is not None else "a trial"
    memory = "; there may have been too little memory for so many at once: take fewer --workers" if -code == signal.SIGKILL else ""
    return f"the process of {what} is gone: {how}{memory}"
