"""Every dashboard, and the files that Grafana is provisioned with."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fleet.dashboards.fleet_health import FLEET_HEALTH
from fleet.dashboards.market_data import MARKET_DATA
from fleet.dashboards.order_path import ORDER_PATH
from fleet.dashboards.panels import rendered
from fleet.dashboards.risk import RISK
from fleet.dashboards.trading import TRADING

FOLDER: Final = Path(__file__).parents[2] / "grafana" / "dashboards"
DASHBOARDS: Final = (FLEET_HEALTH, TRADING, ORDER_PATH, MARKET_DATA, RISK)


def pages() -> Mapping[str, str]:
    """The JSON of every dashboard, by file name."""
    return {f"{dashboard.uid.removeprefix('tw-')}.json": json.dumps(rendered(dashboard), indent=1) + "\n" for dashboard in DASHBOARDS}


def write() -> list[str]:
    """Writes every file; their names."""
    for name, text in pages().items():
        (FOLDER / name).write_text(text)
    return [f"grafana/dashboards/{name}" for name in pages()]
