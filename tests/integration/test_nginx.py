"""deploy/nginx/nginx.conf in a real nginx on loopback, before a small upstream; skipped where there is none.

Only the container's addresses and paths are replaced by those of the test.
"""

import asyncio
import io
import os
import re
import shutil
import ssl
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
from aiohttp import web

from fleet.embedded.ports import free_port, is_free
from tests.waiting import until

ROOT = Path(__file__).parents[2]
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

pytestmark = pytest.mark.skipif(NGINX is None or shutil.which("openssl") is None, reason="no nginx, or no openssl, on this machine")


async def echo(request: web.Request) -> web.Response:
    """What reached us."""
    seen = {"path": request.path, "headers": {name.lower(): value for name, value in request.headers.items()}}
    return web.json_response(seen, headers={"X-Content-Type-Options": "nosniff"})


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": aiohttp.encode_basic_auth(user, password)}


class Door(NamedTuple):
    """An nginx that runs, and who asks it."""

    plain: int
    tls: int
    password: str
    certificate: Path
    http: aiohttp.ClientSession

    def get(self, path: str, **more: object) -> "aiohttp.client._RequestContextManager":
        return self.ask("GET", path, **more)

    def ask(self, method: str, path: str, **more: object) -> "aiohttp.client._RequestContextManager":
        return self.http.request(method, f"https://localhost:{self.tls}{path}", **more)  # type: ignore[arg-type]

    @property
    def operator(self) -> dict[str, str]:
        return basic("operator", self.password)


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As scripts/secrets.sh makes them, where the workers of an nginx started by root can read them too."""
    folder = tmp_path_factory.mktemp("secrets")
    subprocess.run(["bash", ROOT / "scripts" / "secrets.sh", folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
async def upstream() -> AsyncIterator[str]:
    """Address of a server that stands for the monitor, Grafana and Gotify."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def configuration(folder: Path, secrets: Path, replacing: dict[str, str]) -> Path:
    """The file of the repository with these things replaced, each of which must be there."""
    text = (ROOT / "deploy" / "nginx" / "nginx.conf").read_text()
    here = {"/run/secrets": str(secrets), "/etc/nginx/pages": str(ROOT / "deploy" / "nginx" / "pages"), " /tmp/": f" {folder}/"}
    new = here | replacing
    assert [old for old in new if old not in text] == [], "not in nginx.conf any more"
    text = re.sub("|".join(map(re.escape, new)), lambda found: new[found.group()], text)
    path = folder / "nginx.conf"
    path.write_text(f"user root;\n{text}" if os.geteuid() == 0 else text)  # whose workers could not enter a test's folder otherwise
    return path


@pytest.fixture(scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory, secrets: Path, upstream: str) -> AsyncIterator[Door]:
    folder, plain, tls = tmp_path_factory.mktemp("nginx"), free_port(), free_port()
    nobody = free_port()
    addresses = {
        "listen 8080": f"listen 127.0.0.1:{plain}",
        "listen 8443": f"listen 127.0.0.1:{tls}",
        "monitor:8008": upstream,
        "gotify:8080": upstream,
    }
    path = configuration(folder, secrets, {**addresses, "grafana:3000": f"127.0.0.1:{nobody}"})
    assert NGINX
    with (folder / "log").open("wb") as log:
        server = await asyncio.create_subprocess_exec(NGINX, "-e", "stderr", "-c", path, "-g", "daemon off;", stdout=log, stderr=log)
    try:
        await until(lambda: server.returncode is not None or not (is_free(plain) or is_free(tls)))
        assert server.returncode is None, (folder / "log").read_text()
        trusting = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=secrets / "tls.crt"), force_close=True)
        async with aiohttp.ClientSession(connector=trusting) as http:
            yield Door(plain, tls, (secrets / "operator_password").read_text(), secrets / "tls.crt", http)
    finally:
        server.terminate()
        await server.wait()


async def test_without_the_password_nothing_is_shown(door: Door) -> None:
    async with door.get("/") as answer:
        assert (answer.status, "WWW-Authenticate" in answer.headers) == (401, True)
    async with door.get("/runbooks/", headers=basic("operator", "guessed")) as answer:
        assert answer.status == 401


async def test_with_the_password_the_monitor_answers_and_does_not_get_it(door: Door) -> None:
    async with door.get("/runbooks/disk", headers={**door.operator, "X-Forwarded-For": "6.6.6.6"}) as answer:
        got = await answer.json()
    assert (answer.status, got["path"]) == (200, "/runbooks/disk")
    assert "authorization" not in got["headers"]
    assert (got["headers"]["x-forwarded-for"], got["headers"]["x-forwarded-proto"]) == ("127.0.0.1", "https")


async def test_the_status_page_can_be_looked_at_only(door: Door) -> None:
    async with door.ask("POST", "/alertmanager", headers=door.operator, data=b"{}") as answer:
        assert answer.status == 403


async def test_every_answer_says_that_this_is_https_for_a_year_and_forbids_frames(door: Door) -> None:
    async with door.get("/") as refused, door.get("/", headers=door.operator) as shown:
        for answer in (refused, shown):
            assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["X-Frame-Options"] == "DENY"
            assert len(answer.headers.getall("X-Content-Type-Options")) == 1, "the upstream says it too"
            assert answer.headers["Server"] == "nginx"


async def test_plain_http_is_sent_to_https(door: Door) -> None:
    async with door.http.get(f"http://127.0.0.1:{door.plain}/runbooks/?a=1", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (308, "https://127.0.0.1/runbooks/?a=1")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_1_2_and_1_3_are_spoken(door: Door, version: ssl.TLSVersion) -> None:
    only = ssl.create_default_context(cafile=door.certificate)
    only.minimum_version = only.maximum_version = version
    async with door.get("/", ssl=only) as answer:
        assert answer.status == 401


def test_tls_1_1_is_not(door: Door) -> None:
    command = ["openssl", "s_client", "-connect", f"localhost:{door.tls}", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]
    tried = subprocess.run(command, input=b"", capture_output=True, check=False)
    assert tried.returncode != 0
    assert b"protocol version" in tried.stderr


async def test_grafana_that_is_away_gives_a_page_that_says_what_to_do(door: Door) -> None:
    async with door.get("/grafana/d/fleet") as answer:
        text = await answer.text()
    assert (answer.status, answer.content_type) == (502, "text/html")
    assert "docker compose ps" in text


async def test_gotify_is_asked_under_its_own_paths_and_gets_the_token(door: Door) -> None:
    async with door.get("/gotify/version", headers=basic("admin", "p")) as answer:
        got = await answer.json()
    assert (got["path"], got["headers"]["authorization"].startswith("Basic ")) == ("/version", True)


async def test_a_websocket_is_passed_on(door: Door) -> None:
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
    async with door.get("/gotify/stream", headers=upgrade) as answer:
        got = (await answer.json())["headers"]
    assert (got["upgrade"], got["connection"].lower()) == ("websocket", "upgrade")


async def test_a_body_beyond_a_megabyte_is_refused(door: Door) -> None:
    async with door.ask("POST", "/gotify/message", data=io.BytesIO(b"x" * (1024 * 1024 + 1))) as answer:
        assert answer.status == 413


async def test_who_asks_too_fast_is_told_so(door: Door) -> None:
    async def ask() -> int:
        async with door.get("/gotify/health") as answer:
            return answer.status

    seen = Counter([status for _ in range(8) for status in await asyncio.gather(*(ask() for _ in range(20)))])
    assert set(seen) == {200, 429}
    assert seen[200] >= 40, "a person's few requests at once must pass"  # 60, less what other tests have just asked


def test_the_file_is_right_for_a_container_too(secrets: Path, tmp_path: Path) -> None:
    path = configuration(tmp_path, secrets, {})
    assert NGINX
    done = subprocess.run([NGINX, "-t", "-e", "stderr", "-c", path], capture_output=True, text=True, check=False)
    assert (done.returncode, "[warn]" in done.stderr) == (0, False), done.stderr
