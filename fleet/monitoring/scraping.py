"""prometheus.yml: whom Prometheus asks, how often, which rules it follows, whom it tells."""

from collections.abc import Mapping
from typing import Any, Final

from fleet.monitoring.layout import Layout

EVERY: Final = "5s"
"""Of scraping and of looking at the rules: both are part of the time from an event to a phone."""
ANSWER_WITHIN: Final = "4s"
RULES: Final = ("rules/recording.yml", "rules/alerts.yml")


def config(layout: Layout) -> Mapping[str, Any]:
    """A job for each service, called as the service is."""
    return {
        "global": {"scrape_interval": EVERY, "scrape_timeout": ANSWER_WITHIN, "evaluation_interval": EVERY},
        "rule_files": list(RULES),
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [layout.alertmanager]}]}]},
        "scrape_configs": [
            *(_job(name, address) for name, address in layout.services.items()),
            *(_looked_for(name, host, port) for name, (host, port) in layout.reserves.items()),
            _job("prometheus", layout.prometheus),
            _job("alertmanager", layout.alertmanager),
        ],
    }


def _looked_for(name: str, host: str, port: int) -> Mapping[str, Any]:
    """A job that has nobody to ask while no container has that name."""
    return {"job_name": name, "dns_sd_configs": [{"names": [host], "type": "A", "port": port}]}


def _job(name: str, address: str) -> Mapping[str, Any]:
    return {"job_name": name, "static_configs": [{"targets": [address]}]}
