"""A process that was stopped while it wrote orders and wakes up too late: what still reaches the venue."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from aiohttp import web

ORDERS: Final = 8
WRITER: Final = """
import asyncio, os, signal, sys, time
import aiohttp, uvloop
from libs.common import crash_points
from libs.venues.broker import NotSent
from libs.venues.marked_request import MarkedRequest

venue, point, body = sys.argv[1], sys.argv[2], sys.argv[3] == "body"
deadline = time.monotonic() + 30

class Order(MarkedRequest):
    def withheld(self):
        return "too late" if time.monotonic() > deadline else ""

def stop():
    global deadline
    deadline = time.monotonic()  # whatever was not looked at before is too late
    os.kill(os.getpid(), signal.SIGSTOP)

def at(reached):
    if reached == point:
        crash_points.install(lambda _: None)
        asyncio.get_running_loop().call_soon(stop) if point == "CP11" else stop()

async def order(session, turns):
    for _ in range(turns):  # they come in more than one turn
        await asyncio.sleep(0)
    try:
        async with session.post(venue + "/v2/orders", data=b"{}" if body else None) as answer:
            await answer.read()
    except (aiohttp.ClientError, NotSent):
        pass

async def write(orders):
    async with aiohttp.ClientSession(request_class=Order) as session:
        await asyncio.gather(*((session.get(venue) for _ in range(orders))))  # so that every order finds a connection
        crash_points.install(at)
        await asyncio.gather(*(order(session, n // 2) for n in range(orders)))

uvloop.run(write(int(sys.argv[4])))
"""


@pytest.mark.parametrize(("point", "body", "late"), [("CP09", "body", 0), ("CP10", "body", 1), ("CP11", "body", 0), ("CP11", "query", 0)])
async def test_of_many_orders_at_most_the_one_being_written_when_the_process_was_stopped_comes_late(
    point: str, body: str, late: int
) -> None:
    arrived: list[float] = []

    async def take(request: web.Request) -> web.Response:
        await request.read()
        if request.method == "POST":
            arrived.append(time.monotonic())
        return web.Response()

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, address, point, body, str(ORDERS), env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    )
    try:
        await asyncio.to_thread(os.waitid, os.P_PID, writer.pid, os.WSTOPPED | os.WNOWAIT)
        async with aiohttp.ClientSession() as session, session.get(address):
            arrived_before = len(arrived)  # what had left by then has been taken: it came before this one
    finally:
        writer.send_signal(signal.SIGCONT)
        await writer.wait()
        await runner.cleanup()
    assert len(arrived) - arrived_before == late
