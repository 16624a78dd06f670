"""sim_venue as its users run it: a process of its own."""

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from aiohttp import ClientConnectionError, ClientSession

from libs.domain.fleet import PORTS

ROOT: Final = Path(__file__).parent.parent
READY_WITHIN_S: Final = 30.0


@contextlib.asynccontextmanager
async def a_venue_process(folder: Path, market: str = "synthetic", speed: float = 10.0) -> AsyncIterator[str]:
    """Its base URL, once it is open."""
    port = _free_port()
    settings = {
        "PORT_OFFSET": str(port - PORTS["sim_venue"]),
        "SIM_MARKET": market,
        "SPEED": str(speed),
        "STATE_DIR": str(folder),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.sim_venue", cwd=ROOT, env={**os.environ, **settings}, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await _ready(f"http://127.0.0.1:{port}/ready")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def ran(script: str, *arguments: str) -> tuple[int, str]:
    """Exit code and what was printed, errors too, of a script of this repository."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / script), *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    printed, _ = await process.communicate()
    return process.returncode or 0, printed.decode()


async def _ready(url: str) -> None:
    async with ClientSession() as http, asyncio.timeout(READY_WITHIN_S):
        while True:
            with contextlib.suppress(ClientConnectionError):
                async with http.get(url) as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.02)


def _free_port() -> int:
    """One above the venue's own, which PORT_OFFSET only adds to."""
    while True:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port: int = found.getsockname()[1]
        if port > PORTS["sim_venue"]:
            return port
