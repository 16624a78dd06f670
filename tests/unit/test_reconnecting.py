"""Streams that connect again for ever end when they are told to."""

import asyncio

from libs.venues.reconnecting import Backoff, ended, reconnecting


async def test_a_stream_that_is_failing_when_it_is_ended_does_not_connect_again() -> None:
    """Its TaskGroup takes the first cancel for its own: so a desk once never stood down, and kept its venue's stream."""
    lost, connections = asyncio.Event(), 0

    async def says_goodbye() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)

    async def connection() -> None:
        nonlocal connections
        connections += 1
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(says_goodbye())
            await lost.wait()
            raise ConnectionError("lost")

    stream = asyncio.create_task(reconnecting(connection, lambda error: lost.clear(), Backoff(60.0)))
    await asyncio.sleep(0)
    lost.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await ended(stream)
    assert stream.done()
    assert connections == 1


async def test_what_has_ended_already_is_ended_at_once() -> None:
    async def fails() -> None:
        raise ValueError("for nobody to see")

    task = asyncio.create_task(fails())
    await asyncio.sleep(0)
    await ended(task)
