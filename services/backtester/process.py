"""A piece of work in a process of its own, so that the service never loads what reading data needs (numpy, pyarrow)."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from libs.common import child
from libs.common.child import Crashed
from services.backtester.job import Failed

POLITE: Final = 10
"""Added to the niceness: trading goes first."""


async def asked(question: msgspec.Struct, command: Sequence[str]) -> bytes | Failed:
    """What the process `command` answers, or why it does not. It does not outlive this call."""
    try:
        return await child.asked(msgspec.json.encode(question), command)
    except Crashed as crash:
        if crash.code < 0:
            return Failed(error=f"its process was {crash}; there may have been too little memory for so much data")
        return Failed(error=f"its process crashed, which is a defect: {crash}")


def answer(work: Callable[[bytes], object]) -> None:
    """The process's side: works on the question, politely, and leaves with whoever asked."""
    os.nice(POLITE)
    child.leave_with_parent()
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what else is printed, by a strategy or by whom it plays with, is no answer
        answers.write(msgspec.msgpack.encode(work(sys.stdin.buffer.read())))
