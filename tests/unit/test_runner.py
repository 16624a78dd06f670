"""What the runner of every service does with those who connect."""

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest
from aiohttp import web

from libs.common import runner
from libs.common.database import Unreachable


async def test_a_connection_on_which_no_whole_request_comes_is_closed(monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int) -> None:
    monkeypatch.setattr(runner, "IDLE_S", 0.05)
    async with runner._listening(web.Application(), "127.0.0.1", unused_tcp_port), asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", unused_tcp_port)
        writer.write(b"GET /health HTTP/1.1\r\nHost: ")  # and then nothing
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_a_service_that_is_asked_to_leave_while_the_database_is_away_leaves_in_order() -> None:
    context = SimpleNamespace(name="anyone", stopping=asyncio.Event())

    async def work(_: object) -> None:
        context.stopping.set()  # while it tries to connect
        raise Unreachable("nobody is there")

    await runner._through_outages(cast(runner.Context, context), work)
