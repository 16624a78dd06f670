"""A piece of work in a process of its own: the question on its stdin, the answer on its stdout.

Whoever asks never loads what the work needs, and gets the memory back when it is over. Work that crashes takes nothing with it.
"""

import asyncio
import os
import signal
import threading
import time
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import Sequence
from typing import Final

LOOK_S: Final = 0.5
_MOST_OF_A_COMPLAINT: Final = 2000


class Crashed(Exception):
    """The process ended without an answer; the message says how."""

    def __init__(self, code: int, complaint: str) -> None:
        self.code = code
        super().__init__(
            f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}: {complaint[-_MOST_OF_A_COMPLAINT:]}"
        )


async def asked(question: bytes, command: Sequence[str], within_s: float | None = None) -> bytes:
    """What the process `command` answers. It does not outlive this call.

    Raises:
        Crashed: it ended without one.
        TimeoutError: it did not in time.
    """
    process = await create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    try:
        said, complaint = await asyncio.wait_for(process.communicate(question), within_s)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if code := process.returncode or 0:
        raise Crashed(code, complaint.decode(errors="replace").strip())
    return said


def leave_with_parent() -> None:
    """The process's side: whoever asked and was killed leaves no work running behind."""
    threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()


def _leave_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_S)
    os._exit(1)
