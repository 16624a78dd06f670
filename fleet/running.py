"""Which fleet runs here: one per state folder, kept so by a lock that dies with its supervisor."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from fleet.embedded.server import wait_until, write_private
from libs.common import secrets
from libs.common.clocks import HostClock
from libs.common.settings import ConfigError, peer_url
from libs.domain.fleet import PORTS


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator's commands must know of a running fleet. Holds passwords: its file is private."""

    pid: int | None  # None: not known, it was found by its database
    since: str  # UTC, "" when not known
    database_url: str
    redis_url: str
    ports: Mapping[str, int]
    host: str = "127.0.0.1"  # of the services, as PEER_HOST says it

    def peer(self, name: str) -> str:
        """The base URL of a service."""
        return peer_url(self.host, name, self.ports[name])


class NothingRuns(Exception):
    """No fleet is running where we looked; the message says how to start one. Exit code 3."""


def offset(ports: Mapping[str, int], by: int) -> dict[str, int]:
    """All ports moved by PORT_OFFSET."""
    return {name: port + by for name, port in ports.items()}


@contextmanager
def alone(state: Path) -> Iterator[None]:
    """Holds the state folder, so that no second fleet is started in it.

    Raises:
        ConfigError: a fleet runs in it, or it cannot be made.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = os.open(state / "run.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigError(f"STATE_DIR={state}: {error.strerror}; set STATE_DIR to a folder that can be written") from error
    try:
        _lock(lock, state)
        try:
            yield
        finally:
            (state / "run.json").unlink(missing_ok=True)
    finally:
        os.close(lock)


def _lock(lock: int, state: Path) -> None:
    if not wait_until(lambda: _taken(lock), 0.2):  # a command that looks for the fleet holds it for a moment
        pid = os.pread(lock, 20, 0).decode().strip() or "unknown"
        raise ConfigError(
            f"a fleet runs in {state} already (process {pid}); stop it with Ctrl-C or `kill {pid}`, or set STATE_DIR to another folder"
        )
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def announce(state: Path, database_url: str, redis_url: str, ports: Mapping[str, int], clock: HostClock) -> None:
    """Leaves word of this fleet for the operator's commands. What is secret of it is masked from now on in what we say."""
    secrets.learn_environment({"DATABASE_URL": database_url, "REDIS_URL": redis_url})
    since = datetime.fromtimestamp(clock.now_ns() // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    running = Running(pid=os.getpid(), since=since, database_url=database_url, redis_url=redis_url, ports=ports)
    write_private(state / "run.json", msgspec.json.encode(running).decode())


def find(state: Path, database_url: str, redis_url: str, port_offset: int, peer_host: str = "127.0.0.1") -> Running:
    """The fleet of the state folder, else the one that works on `database_url` (started by other means than `fleet run`).

    Raises:
        NothingRuns: neither is there.
    """
    if _locked(state / "run.lock"):
        try:
            found = msgspec.json.decode((state / "run.json").read_bytes(), type=Running)
            secrets.learn_environment({"DATABASE_URL": found.database_url, "REDIS_URL": found.redis_url})
            return found
        except FileNotFoundError:
            raise NothingRuns(f"the fleet in {state} is still starting; try again in a few seconds") from None
    if database_url:
        ports = offset(PORTS, port_offset)
        return Running(pid=None, since="", database_url=database_url, redis_url=redis_url, ports=ports, host=peer_host)
    raise NothingRuns(f"no fleet is running in {state}; start one with `make run`, or set STATE_DIR to the folder of the one you mean")


def _locked(path: Path) -> bool:
    try:
        lock = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
