"""sim_venue as the process that it is in a fleet, and a client that has only what its log must not lose: its answers."""

import asyncio
import contextlib
import hashlib
import hmac
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
import msgspec

from fleet.embedded import ports
from libs.domain.fleet import PORTS
from services.sim_venue.credentials import DEMO

ROOT = Path(__file__).parents[1]
READY_WITHIN_S = 30.0


class SimVenueProcess:
    """One venue on a port of its own; started again it goes on from the same folder."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self._folder = folder
        self._offset = next(n for n in _offsets() if ports.is_free(PORTS["sim_venue"] + n))
        self._environment = environment
        self.url = f"http://127.0.0.1:{PORTS['sim_venue'] + self._offset}"
        self.output = folder / "output"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns while it begins."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        own = {"STATE_DIR": str(self._folder), "PORT_OFFSET": str(self._offset), **self._environment}
        with self.output.open("ab") as output:
            command = [sys.executable, "-m", "services.sim_venue"]
            self._process = subprocess.Popen(command, cwd=ROOT, env={**kept, **own}, stdout=output, stderr=output)

    def end(self, number: int) -> int:
        """Sends a signal and waits for it to be gone; its exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(timeout=READY_WITHIN_S)

    def kill(self) -> None:
        """kill -9."""
        self.end(signal.SIGKILL)

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def lines(self) -> list[dict[str, Any]]:
        """What it logged."""
        return [msgspec.json.decode(line) for line in self.output.read_bytes().splitlines() if line.startswith(b"{")]


def _offsets() -> Iterator[int]:
    """Below the ports that outgoing connections take, and in another order in each process: two test runs do not meet."""
    draw = Random(os.getpid())
    while True:
        yield draw.randrange(2_000, 23_000)


@contextlib.contextmanager
def a_process(folder: Path, **environment: str) -> Iterator[SimVenueProcess]:
    """A venue that is gone afterwards."""
    process = SimVenueProcess(folder, **environment)
    process.start()
    try:
        yield process
    finally:
        if process.runs:
            process.kill()


class BinanceClient:
    """Signed requests of the demo account, one at a time, and never one twice."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url
        self._demo = next(demo.credential for demo in DEMO if demo.credential.dialect == "binance")

    @classmethod
    @contextlib.asynccontextmanager
    async def connected(cls, url: str) -> AsyncIterator[Self]:
        """A client of its own connections."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as http:
            yield cls(http, url)

    async def signed(self, method: str, path: str, **parameters: str | int) -> tuple[int, Any]:
        """Status and answer of a signed request under /binance/api/v3."""
        query = urlencode({**parameters, "timestamp": time.time_ns() // 1_000_000, "recvWindow": 60_000})
        signature = hmac.new(self._demo.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        url = f"{self._url}/binance/api/v3/{path}?{query}&signature={signature}"
        async with self._http.request(method, url, headers={"X-MBX-APIKEY": self._demo.key}) as answer:
            return answer.status, msgspec.json.decode(await answer.read())

    async def control(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """The answer of the control API."""
        async with self._http.request(method, f"{self._url}/sim/v1/{path}", json=body) as answer:
            assert answer.status < 400, await answer.text()
            return msgspec.json.decode(await answer.read())

    async def until_open(self) -> None:
        """Asks until the venue has read its log."""
        give_up = time.monotonic() + READY_WITHIN_S
        while True:
            try:
                async with self._http.get(f"{self._url}/ready") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            if time.monotonic() > give_up:
                raise TimeoutError(f"sim_venue is not ready after {READY_WITHIN_S:g} s")
            await asyncio.sleep(0.02)  # it has two cores to begin on, and one of them is not ours


async def ran(script: str, *arguments: str) -> tuple[int, str]:
    """Exit code and what was printed, errors too, of a script of this repository."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / script), *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    printed, _ = await process.communicate()
    return process.returncode or 0, printed.decode()
