"""The files that Prometheus and Alertmanager read, as text by their names."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from fleet.monitoring import recording, routing, scraping
from fleet.monitoring.alerts.alert import LINK_BASE, Alert, Group
from fleet.monitoring.alerts.machine import machine
from fleet.monitoring.alerts.order_path import order_path
from fleet.monitoring.alerts.risk import risk
from fleet.monitoring.alerts.services import services
from fleet.monitoring.alerts.upkeep import upkeep
from fleet.monitoring.layout import Layout, in_containers

COMMITTED: Final = Path(__file__).parents[2] / "prometheus"
GROUPS: Final[Sequence[Group]] = (services(), order_path(), risk(), machine(), upkeep())
_HEAD: Final = "# Made by `{maker}` from fleet/monitoring; do not edit.\n"


def committed() -> Mapping[Path, str]:
    """What stands in the repository, for containers: `make docs` writes it."""
    return {COMMITTED / name: text for name, text in files(in_containers(), "make docs").items()}


def files(layout: Layout, maker: str, link_base: str = LINK_BASE) -> Mapping[str, str]:
    """A whole configuration, by the names of its files."""
    recorded = [{"record": name, "expr": expr} for name, expr in recording.RECORDED.items()]
    found = {
        "prometheus.yml": scraping.config(layout),
        "rules/recording.yml": _rules({"recorded": recorded}),
        "rules/alerts.yml": _rules({group.name: [alert.rule(link_base) for alert in group.alerts] for group in GROUPS}),
        "alertmanager.yml": routing.config(layout),
    }
    return {name: _HEAD.format(maker=maker) + _yaml(data) for name, data in found.items()}


def alerts() -> list[Alert]:
    """Every alert there is."""
    return [alert for group in GROUPS for alert in group.alerts]


def _rules(groups: Mapping[str, Sequence[Mapping[str, Any]]]) -> Mapping[str, Any]:
    return {"groups": [{"name": name, "rules": list(rules)} for name, rules in groups.items()]}


class _Plain(yaml.SafeDumper):
    """Without anchors: what two receivers share is written twice, as a person would."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _yaml(data: Mapping[str, Any]) -> str:
    return yaml.dump(data, Dumper=_Plain, sort_keys=False, width=110, allow_unicode=True)
