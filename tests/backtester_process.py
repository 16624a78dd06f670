"""The backtester as the process that it is in a fleet."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from typing import Any, Final

import msgspec

from fleet.embedded.ports import free_port
from fleet.embedded.server import wait_until
from libs.domain.fleet import PORTS

LIMIT_S: Final = 60


class Service:
    """The backtester itself, in a process of its own."""

    def __init__(self, environment: dict[str, str], redis_url: str) -> None:
        offset = free_port() - PORTS["backtester"]
        self.base = f"http://127.0.0.1:{PORTS['backtester'] + offset}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "services.backtester"],
            env={**os.environ, **environment, "REDIS_URL": redis_url, "PORT_OFFSET": str(offset)},
            stdout=subprocess.DEVNULL,
        )
        assert wait_until(lambda: self.ask("/ready")[0] == 200, LIMIT_S)

    def ask(self, path: str, body: object = None) -> tuple[int, Any]:
        """Status and JSON of an answer."""
        request = urllib.request.Request(self.base + path, data=None if body is None else msgspec.json.encode(body))
        try:
            with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
        except urllib.error.URLError:
            return 0, None

    def page(self, path: str, accept: str = "") -> tuple[Any, str]:
        """Headers and text of what is there."""
        with urllib.request.urlopen(urllib.request.Request(self.base + path, headers={"Accept": accept}), timeout=LIMIT_S) as answer:
            return answer.headers, answer.read().decode()

    def asked(self, path: str, body: object) -> str:
        """The id of what was asked for."""
        status, answer = self.ask(path, body)
        assert status == 202, answer
        return str(answer["id"])

    def ended(self, id_: str, of: str = "backtests") -> Any:
        """A backtest or a search once it has ended."""
        assert wait_until(lambda: self.ask(f"/{of}/{id_}")[1]["state"] in ("done", "failed"), LIMIT_S)
        return self.ask(f"/{of}/{id_}?trades=1")[1]
