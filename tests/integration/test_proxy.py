"""The fault proxy of the chaos harness: what it does to a line, each way."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import psycopg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from libs.common.database import Database, Unreachable, Write
from tests.chaos.proxy import Controls, Proxy, a_proxy, through

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def echoing() -> AsyncIterator[Proxy]:
    """A line to a server that says again what it hears."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, a_proxy(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}") as proxy:
        yield proxy


@asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[Line]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        assert await said(reader, writer, b"a") == b"a"
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> bytes:
    writer.write(data)
    return await asyncio.wait_for(reader.readexactly(len(data)), 2)


async def test_what_is_late_or_narrow_arrives_whole() -> None:
    async with echoing() as proxy, connected(proxy) as line:
        proxy.turn("down", latency_s=0.05, jitter_s=0.01, bytes_per_s=1000)
        began = time.monotonic()
        assert await said(*line, b"x" * 100) == b"x" * 100
        assert time.monotonic() - began > 0.1


async def test_a_blackhole_keeps_what_it_took_until_it_is_mended() -> None:
    async with echoing() as proxy, connected(proxy) as (reader, writer):
        proxy.turn("up", blackhole=True)
        writer.write(b"b")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(1), 0.05)
        await proxy.mend()
        assert await reader.readexactly(1) == b"b"


async def test_a_connection_is_reset_at_the_byte_that_was_asked_for() -> None:
    async with echoing() as proxy, connected(proxy) as (reader, writer):
        proxy.turn("down", reset_after=3)
        writer.write(b"12345")
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(5), 2)
        assert proxy.resets == 1


async def test_nobody_connects_while_it_refuses_and_who_is_connected_stays() -> None:
    async with echoing() as proxy, connected(proxy) as line:
        await proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await said(*line, b"c") == b"c"
        await proxy.mend()
        async with connected(proxy):
            pass


async def test_a_half_closed_line_still_hears_the_other_way() -> None:
    async with echoing() as proxy, connected(proxy) as (reader, writer):
        proxy.half_close("up")  # the server hears an end, and closes after its last word
        assert await asyncio.wait_for(reader.read(), 2) == b""


async def test_a_commit_whose_answer_is_cut_off_is_in_the_record_all_the_same(url: str) -> None:
    """F5. The end of an exchange is a Sync: it is handed on, and then the line is gone."""
    async with a_proxy(url) as proxy:
        database = Database(through(url, proxy.port), "test")
        await database.fetch("select 1")
        proxy.turn("up", reset_on=b"S\x00\x00\x00\x04".hex())
        with pytest.raises(Unreachable):
            await database.write([Write("create table of_this_test ()", ())])
        await database.close()
    with psycopg.connect(url) as connection:
        assert connection.execute("select to_regclass('of_this_test') is not null").fetchone() == (True,)


async def test_it_can_be_told_over_http() -> None:
    async with echoing() as proxy, TestClient(TestServer(Controls({"echo": proxy}).application())) as http:
        assert (await http.put("/proxies/echo/up", json={"blackhole": True})).status == 204
        assert (await (await http.get("/proxies")).json())["echo"]["up"]["blackhole"] is True
        assert (await http.put("/proxies/echo/up", json={"typo": 1})).status == 400
        assert (await http.post("/proxies/nobody/reset")).status == 404
        assert (await http.post("/proxies/echo/mend")).status == 204
        async with connected(proxy):
            pass
