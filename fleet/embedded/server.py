"""The life of a server that we start from a wheel: one folder, one owner, one process."""

import fcntl
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from fleet.embedded import ports, processes

READY_WITHIN = 120.0  # s; a recovery after a crash can take a while
STOP_WITHIN = 15.0  # s for each of the stop signals, then the next
POLL = 0.02  # s


class ServerError(RuntimeError):
    """A server could not be started, stopped or wiped; the message says what failed, with which command, and what its log said."""


def package_folder(package: str) -> Path:
    """Where a wheel was installed, without importing it: these packages do things when imported."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ServerError(f"the package {package} is not installed: pip install 'tradewinds[embedded]'")
    return Path(spec.origin).parent


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.rename(path)


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll until `condition` holds; False when it still does not after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True


class EmbeddedServer(ABC):
    """Start, stop, kill and wipe one server whose files all lie in one folder.

    While the server belongs to this object a lock on the folder keeps every other owner out. The lock dies with its process, so a
    server that runs in a folder nobody has locked was left behind by an owner that was killed: `start` stops it and starts anew.
    """

    title: ClassVar[str]
    stop_signals: ClassVar[tuple[signal.Signals, ...]]  # the politest first
    files: ClassVar[tuple[str, ...]]  # what the server keeps in its home, apart from the common ones

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None

    # What each server does its own way.

    @abstractmethod
    def _prepare(self) -> None:
        """Make everything that must exist before the first start."""

    @abstractmethod
    def _command(self, port: int) -> list[str]: ...

    @abstractmethod
    def _is_ready(self) -> bool: ...

    @abstractmethod
    def _pid_file(self) -> Path: ...

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect, with the password."""

    def _home(self) -> Path:
        """Where the files lie: the folder itself, unless the server cannot work there."""
        return self.folder

    def _popen_options(self) -> dict[str, Any]:
        return {}

    def _kill_process(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)

    # What they share.

    @property
    def pid(self) -> int | None:
        """The server's process, None when it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def port(self) -> int:
        """The port of the running server, or the one it had last. Raises ServerError before the first start."""
        port = ports.stored_port(self._home() / "port")
        if port is None:
            raise ServerError(f"{self.title} in {self.folder} has never been started")
        return port

    @property
    def password(self) -> str:
        """Raises ServerError when there is none yet."""
        try:
            return (self._home() / "password").read_text()
        except FileNotFoundError:
            raise ServerError(f"{self.title} in {self.folder} has no password file; start it anew with an empty folder") from None

    def _ensure_password(self) -> None:
        if not (self._home() / "password").exists():
            write_private(self._home() / "password", secrets.token_hex(24))

    @property
    def log(self) -> Path:
        return self._home() / "server.log"

    def alive(self) -> bool:
        """True while the process runs (it may still be busy with its recovery when somebody else restarted it)."""
        return self.pid is not None

    def start(self) -> str:
        """Start the server and return its URL once it answers.

        Raises ServerError when it already runs, when another process owns the folder, or when the server does not come up.
        """
        if self.alive():
            raise ServerError(f"{self.title} in {self.folder} already runs (process {self.pid})")
        try:
            self._take_lock()
            self._stop_leftover()
            self._prepare()
            self._launch()
        except BaseException as error:
            self.kill()
            if isinstance(error, OSError):
                raise ServerError(f"{self.title} in {self.folder} could not be started: {error}") from error
            raise
        return self.url

    def stop(self) -> None:
        """Shut down cleanly; returns when the process is gone. Does nothing when it does not run."""
        if self._process and self._process.poll() is None:
            self._stop_process(self._process.pid, lambda: self._process is None or self._process.poll() is not None)
        self._process = None
        self._release_lock()

    def kill(self) -> None:
        """SIGKILL, as a crash would end it; the data stay as they are. Does nothing when it does not run."""
        if self._process and self._process.poll() is None:
            self._kill_process(self._process.pid)
            self._process.wait()
        self._process = None
        self._release_lock()

    def wipe(self) -> None:
        """Remove everything this server ever stored. Raises ServerError while it runs or belongs to another process."""
        if self.alive():
            raise ServerError(f"{self.title} in {self.folder} runs (process {self.pid}); stop it before wiping its data")
        if not self.folder.exists():
            return
        self._take_lock()
        try:
            self._stop_leftover()
            for name in (*self.files, "port", "password", "server.log", "lock"):
                path = self._home() / name
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
        finally:
            self._release_lock()

    def _take_lock(self) -> None:
        if self._lock is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._home() / "lock"
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except PermissionError:
            raise ServerError(f"{self.folder} was made by another user; run as that user or choose another STATE_DIR") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(lock, 20).decode().strip() or "unknown"
            os.close(lock)
            raise ServerError(f"{self.title} in {self.folder} is in use by process {owner}; stop that one first") from None
        if not path.exists() or not os.path.samestat(os.fstat(lock), path.stat()):  # the owner before us has just wiped the folder
            os.close(lock)
            return self._take_lock()
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        self._lock = lock

    def _release_lock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _stop_leftover(self) -> None:
        """Stop a server of this folder whose owner is dead; its pid file may name by now a process that has nothing to do with us."""
        try:
            pid = int(self._pid_file().read_text().split()[0])
        except (FileNotFoundError, ValueError, IndexError):
            return
        if str(self._home()) in processes.command_line(pid):
            self._stop_process(pid, lambda: not processes.is_running(pid))

    def _stop_process(self, pid: int, gone: Callable[[], bool]) -> None:
        for number in self.stop_signals:
            if gone():
                return
            os.kill(pid, number)
            if wait_until(gone, STOP_WITHIN):
                return
        self._kill_process(pid)
        if not wait_until(gone, STOP_WITHIN):
            raise ServerError(f"{self.title} in {self.folder} (process {pid}) does not end, not even by SIGKILL")

    def _launch(self) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while True:
            command = self._command(ports.claim_port(self._home() / "port"))
            with open(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
                begins = log.seek(0, os.SEEK_END)
                # A session of its own: Ctrl-C on the terminal reaches the owner only, who stops the servers last.
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/", **self._popen_options()
                )
            if wait_until(lambda: not self.alive() or self._is_ready(), deadline - time.monotonic()) and self.alive():
                return
            code, said = self._process.poll(), self._said_since(begins)
            # Somebody took the port after we looked, or the last processes of a crashed server are still on their way out.
            passing = "Address already in use" in said or "pre-existing shared memory block" in said
            if code is None or not passing or time.monotonic() > deadline:
                outcome = f"does not answer after {READY_WITHIN:.0f} s" if code is None else f"ended with exit code {code}"
                raise self._failure(f"{self.title} {outcome}", command, said)
            time.sleep(10 * POLL)

    def _said_since(self, begins: int) -> str:
        with self.log.open("rb") as log:
            log.seek(begins)
            return log.read().decode(errors="replace")

    def _failure(self, what: str, command: list[str], said: str) -> ServerError:
        lines = "\n".join(f"    {line}" for line in said.strip().splitlines()[-10:]) or "    (nothing)"
        return ServerError(f"{what}\n  command: {' '.join(command)}\n  last lines of {self.log}:\n{lines}")
