"""A piece of work in a process of its own: the question on its stdin, the answer on its stdout.

The service never loads what reading data needs (numpy, pyarrow), and gets the memory back when the work is over. One that
crashes takes nothing with it.
"""

import os
import signal
import sys
import threading
import time
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from services.backtester.job import Failed

POLITE: Final = 10
"""Added to the niceness: trading goes first."""
LOOK_S: Final = 0.5


async def asked(question: msgspec.Struct, command: Sequence[str]) -> bytes | Failed:
    """What the process `command` answers, or why it does not. It does not outlive this call."""
    process = await create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    try:
        said, complaint = await process.communicate(msgspec.json.encode(question))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    code = process.returncode
    return Failed(error=_crashed(code, complaint.decode(errors="replace").strip())) if code else said


def answer(work: Callable[[bytes], object]) -> None:
    """The process's side: works on the question, politely, and leaves with whoever asked."""
    os.nice(POLITE)
    threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()
    sys.stdout.buffer.write(msgspec.msgpack.encode(work(sys.stdin.buffer.read())))


def _crashed(code: int, complaint: str) -> str:
    if code < 0:
        return f"its process was killed by {signal.Signals(-code).name}; there may have been too little memory for so much data"
    return f"its process crashed (exit code {code}), which is a defect: {complaint[-2000:]}"


def _leave_with(parent: int) -> None:
    """A service that was killed leaves no work running behind it."""
    while os.getppid() == parent:
        time.sleep(LOOK_S)
    os._exit(1)
