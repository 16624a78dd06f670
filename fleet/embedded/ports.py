"""A TCP port on loopback that stays the same from start to start."""

import random
import socket
from pathlib import Path

# Below 32768, where Linux begins to hand out ports to clients (one of them would sooner or later sit on ours), and above every
# port that the fleet and its usual companions listen on.
LOWEST, HIGHEST = 20_000, 32_767


def is_free(port: int) -> bool:
    """True when a server could listen on 127.0.0.1:`port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do: connections of an earlier run in TIME_WAIT do not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """Any free port from LOWEST to HIGHEST. Raises OSError when there is none."""
    for port in random.sample(range(LOWEST, HIGHEST + 1), HIGHEST + 1 - LOWEST):
        if is_free(port):
            return port
    raise OSError(f"no free port from {LOWEST} to {HIGHEST} on 127.0.0.1")


def stored_port(file: Path) -> int | None:
    """The port written in `file`; None when there is no such file or it holds no port."""
    try:
        port = int(file.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return port if 0 < port < 65_536 else None


def claim_port(file: Path) -> int:
    """The port stored in `file` when it is free, else a new one, which is then stored there."""
    port = stored_port(file)
    if port is None or not is_free(port):
        port = free_port()
        file.write_text(f"{port}\n")
    return port
