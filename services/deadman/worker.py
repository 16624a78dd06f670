"""python -m services.deadman.worker: one thing to do at one account, from a task on stdin to its outcome on stdout."""

import asyncio
import sys

import msgspec

from libs.common import child, secrets
from libs.common.clocks import SystemClock
from libs.venues.broker import OutcomeUnknown, WrongKey
from libs.venues.remote import adapter, connected
from libs.venues.sweep import protection, sweep
from services.deadman.hand import Outcome, Task


async def done(task: Task) -> Outcome:
    """Does it, once. Sends no order: it is only ever asked to end some."""
    try:
        broker = await connected(adapter(task.venue, task.endpoint, None, SystemClock(), listens=False))
    except WrongKey as error:
        return Outcome(trouble=str(error), wrong_key=True)
    except (OutcomeUnknown, ValueError) as error:
        return Outcome(trouble=str(error))
    try:
        if task.what == "check":
            return Outcome(found=len(await broker.open_orders()))
        swept = await sweep(broker, keeps=protection)
        left = f"{len(swept.left)} orders are still open, {swept.left[0]} first; " if swept.left else ""
        return Outcome(found=swept.found, kept=swept.kept, trouble="" if swept.verified else f"{left}{swept.trouble}")
    except OutcomeUnknown as error:
        return Outcome(trouble=str(error))
    finally:
        await broker.disconnect()


def main() -> None:
    sys.stderr = secrets.masked(sys.stderr)
    child.leave_with_parent()
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    secrets.learn([task.endpoint.key, task.endpoint.secret])
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(done(task))))


if __name__ == "__main__":
    main()
