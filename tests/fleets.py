"""Fleets of fake services, and the configuration that the supervisor wants to see."""

import sys
from pathlib import Path

from fleet.embedded.ports import free_port
from fleet.service_process import Service

FAKE = Path(__file__).parent / "fake_service.py"
CONFIGURATION = {
    "system": '[[account]]\nname = "main"\nbase_currency = "USD"\ndeposit = "100000"\n',
    "strategies": (
        '[[strategy]]\nid = "fast"\nclass = "sma_cross"\nsymbols = ["*"]\naccount = "main"\nallocation = 0.5\n'
        "params = { fast = 3, slow = 8 }\n"
    ),
    "risk": '[[limit]]\nscope = "order"\nname = "max_order_notional"\nvalue = 1000\nunit = "currency"\n[kill_switch]\ncool_off = 0\n',
    "jobs": "job = []\n",
}


def fake(name: str, behaviour: str, folder: Path) -> Service:
    """A service that behaves so, on a free port."""
    port = free_port()
    return Service(name, port, (sys.executable, "-S", str(FAKE), str(port), behaviour, str(folder)))


def configuration(folder: Path, **changed: str) -> Path:
    """A folder with every configuration file; `changed` replaces whole files."""
    folder.mkdir()
    for name, text in (CONFIGURATION | changed).items():
        (folder / f"{name}.toml").write_text(text)
    return folder


def environment(state: Path, config: Path, **more: str) -> dict[str, str]:
    """What `fleet run` is started with."""
    return {"PATH": "/usr/bin:/bin", "STATE_DIR": str(state), "CONFIG_DIR": str(config), **more}
