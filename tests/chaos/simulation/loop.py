"""An event loop whose clock jumps to the next timer when nothing is ready, and processes in it that can be killed or frozen.

Callbacks run one at a time in an order that follows from the seed alone. Whatever is started within a process belongs to
it: killing drops all of that at whichever callback it has come to, as SIGKILL does, and no clean-up runs.
"""

import asyncio
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")

_OWNER: ContextVar["Process"] = ContextVar("process")


class Dead(BaseException):
    """Something of a killed process runs all the same: only while its memory is given back."""


class Process:
    """What can be killed, frozen and woken."""

    def __init__(self, loop: "VirtualLoop", name: str) -> None:
        self.name = name
        self.alive = True
        self.frozen = False
        self.freezes = 0
        self.steps = 0  # callbacks that have run
        self.stop_at: tuple[int, Callable[[], None]] | None = None  # the step at which it is wounded, and how
        self.tasks: list[asyncio.Task[Any]] = []
        self._backlog: list[Handle] = []
        self._loop = loop
        self._context = copy_context()
        self._context.run(_OWNER.set, self)

    def start(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Begins a task of the process."""
        return self._context.run(self._loop.create_task, work)

    def soon(self, callback: Callable[..., object], *args: Any) -> None:
        """A callback of the process, from outside."""
        self._loop.call_soon(callback, *args, context=self._context)

    def kill(self) -> None:
        """Nothing of it runs any more."""
        self.alive = False
        self.stop_at = None
        self._backlog.clear()

    def freeze(self) -> None:
        """Nothing of it runs until it is woken; what becomes due meanwhile waits."""
        self.frozen = True
        self.freezes += 1

    def wake(self) -> None:
        """All that has become due runs now."""
        self.frozen = False
        self._loop.ready.extend(self._backlog)
        self._backlog.clear()

    def waits(self, handle: "Handle") -> None:
        """A callback for when it wakes."""
        self._backlog.append(handle)

    def bury(self) -> None:
        """Gives the memory back: whatever its coroutines still wanted to do fails at once."""
        self.alive = False
        for task in self.tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]  # it was killed, that is the point
                _close(task.get_coro())
        self.tasks.clear()


def _close(coroutine: Any) -> None:
    for _ in range(20):  # clean-up that would wait, which the dead may not, is told again
        try:
            coroutine.close()
        except RuntimeError:
            continue
        except BaseException:  # it is gone; nobody is left to hear why
            return
        return


class Handle:
    """A callback that waits for its turn."""

    __slots__ = ("_when", "args", "callback", "cancelled_", "context", "owner")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None, when: float) -> None:
        self.callback = callback
        self.args = args
        self.context = copy_context() if context is None else context
        self.owner: Process | None = self.context.get(_OWNER)
        self.cancelled_ = False
        self._when = when

    def cancel(self) -> None:
        self.cancelled_ = True

    def cancelled(self) -> bool:
        return self.cancelled_

    def when(self) -> float:
        return self._when


class _Task(asyncio.Task[T]):
    """Hashed by number: sets of tasks are walked in the same order in every run."""

    def __init__(self, number: int, coroutine: Coroutine[Any, Any, T], **options: Any) -> None:
        self._number = number
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(asyncio.AbstractEventLoop):
    """See above. Has no sockets, threads or signals: whoever asks for one gets NotImplementedError."""

    def __init__(self, random: Random, *, shuffle: float = 0.0, began: float = 1000.0) -> None:
        """`shuffle`: how often a callback other than the oldest is taken, as the kernel may hand them over in any order."""
        self.now = began
        self.ready: deque[Handle] = deque()
        self.failures: list[str] = []
        self._random = random
        self._shuffle = shuffle
        self._timers: list[tuple[float, int, Handle]] = []
        self._count = 0
        self._tasks = 0
        self._stopped = False
        self._closed = False
        self._outside = copy_context()

    def later(self, delay: float, callback: Callable[..., object], *args: Any) -> None:
        """A callback of the world's: it runs whatever becomes of the process that asked for it."""
        self.call_at(self.now + delay, callback, *args, context=self._outside)

    # --- what asyncio asks of a loop

    def time(self) -> float:
        return self.now

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Any:  # type: ignore[override]
        handle = Handle(callback, args, context, self.now)
        self.ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Any:
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Any:
        handle = Handle(callback, args, context, when)
        self._count += 1
        heappush(self._timers, (when, self._count, handle))
        return handle

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None) -> Any:
        self._tasks += 1
        task = _Task(self._tasks, coro, loop=self, name=name or str(self._tasks), context=context)
        owner = (copy_context() if context is None else context).get(_OWNER)
        if owner is not None:
            owner.tasks.append(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.failures.append(f"{context.get('message')}: {context.get('exception')!r}")

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self._stopped

    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        self._closed = True
        self.ready.clear()
        self._timers.clear()

    def stop(self) -> None:
        self._stopped = True

    # --- the run

    def run(self) -> None:
        """Runs until stopped, or until nothing is left to happen."""
        before = events._get_running_loop()
        events._set_running_loop(self)
        try:
            while not self._stopped and (self.ready or self._advance()):
                self._step()
        finally:
            events._set_running_loop(before)

    def _advance(self) -> bool:
        """To the next timer, and to all of its moment."""
        timers = self._timers
        while timers:
            when, _, handle = heappop(timers)
            if handle.cancelled_:
                continue
            self.now = max(self.now, when)
            self.ready.append(handle)
            while timers and timers[0][0] <= self.now:
                self.ready.append(heappop(timers)[2])
            return True
        return False

    def _step(self) -> None:
        ready = self.ready
        if self._shuffle and len(ready) > 1 and self._random.random() < self._shuffle:
            ready.rotate(-self._random.randrange(min(len(ready), 8)))
        handle = ready.popleft()
        owner = handle.owner
        if handle.cancelled_ or (owner is not None and not owner.alive):
            return
        if owner is not None:
            if owner.frozen:
                owner.waits(handle)
                return
            owner.steps += 1
            if owner.stop_at is not None and owner.steps >= owner.stop_at[0]:
                (_, wound), owner.stop_at = owner.stop_at, None
                ready.appendleft(handle)
                wound()
                return
        handle.context.run(handle.callback, *handle.args)


def current() -> Process | None:
    """Whose code runs now; None: the world's."""
    return _OWNER.get(None)
