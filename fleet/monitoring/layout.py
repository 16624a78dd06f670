"""Where Prometheus and Alertmanager find the fleet and each other: by container names, or on one machine."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from libs.domain.fleet import PORTS, STANDBYS

PROMETHEUS_PORT: Final = 9090
ALERTMANAGER_PORT: Final = 9093


class Email(NamedTuple):
    """A second way to the operator, which does not need the monitor."""

    to: str
    sender: str
    server: str  # host:port, with STARTTLS
    username: str
    password_file: str  # "" when the server asks for none


class Layout(NamedTuple):
    """Addresses are host:port."""

    services: Mapping[str, str]
    prometheus: str
    alertmanager: str
    monitor: str
    token_file: str  # what the monitor's webhook asks for; "" when it asks for nothing
    email: Email | None = None
    reserves: Mapping[str, tuple[str, int]] = {}  # host name and port of what is there only where the operator wants it


def in_containers() -> Layout:
    """As deploy/compose names them."""
    return Layout(
        {name: f"{name.replace('_', '-')}:{port}" for name, port in PORTS.items()},
        f"localhost:{PROMETHEUS_PORT}",
        f"alertmanager:{ALERTMANAGER_PORT}",
        f"monitor:{PORTS['monitor']}",
        "/run/secrets/prometheus_token",
        reserves={name: (name.replace("_", "-"), member.port) for name, member in STANDBYS.items()},
    )


def on_this_machine(ports: Mapping[str, int], port_offset: int, token_file: str, email: Email | None = None) -> Layout:
    """All on loopback; `ports` are those of the fleet, moved already."""
    return Layout(
        {name: f"127.0.0.1:{port}" for name, port in ports.items()},
        f"127.0.0.1:{PROMETHEUS_PORT + port_offset}",
        f"127.0.0.1:{ALERTMANAGER_PORT + port_offset}",
        f"127.0.0.1:{PORTS['monitor'] + port_offset}",
        token_file,
        email,
    )
