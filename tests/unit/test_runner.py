"""What the runner of every service does with those who connect."""

import asyncio

import pytest
from aiohttp import web

from libs.common import runner


async def test_a_connection_on_which_no_whole_request_comes_is_closed(monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int) -> None:
    monkeypatch.setattr(runner, "IDLE_S", 0.05)
    async with runner._listening(web.Application(), "127.0.0.1", unused_tcp_port), asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", unused_tcp_port)
        writer.write(b"GET /health HTTP/1.1\r\nHost: ")  # and then nothing
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
