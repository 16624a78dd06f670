"""Grafana takes the dashboards as they are committed, and they ask only for what the fleet measures."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet.dashboards import pages
from fleet.monitoring import catalog

GRAFANA = Path(__file__).parents[2] / "grafana"
NAMES = sorted(pages.pages())
FROM_THE_CLIENT = {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_start_time_seconds", "process_open_fds"}
MEASURED = {series for metric in catalog.every() for series in metric.series} | FROM_THE_CLIENT
WITHOUT_SUM = {"tradewinds_slippage_ratio_sum", "tradewinds_arrival_slippage_ratio_sum"}  # values below 0 have no sum


def page(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(pages.pages()[name])
    return found


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_file_is_what_the_code_makes(name: str) -> None:
    assert (pages.FOLDER / name).read_text() == pages.pages()[name], "run `make docs`"


def test_no_other_dashboard_lies_there() -> None:
    assert sorted(path.name for path in pages.FOLDER.iterdir()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_panels_do_not_overlap_and_fit_the_page(name: str) -> None:
    places = [panel["gridPos"] for panel in page(name)["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for a, b in combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        above = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or above, (a, b)


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_says_what_it_is_and_has_its_own_number(name: str) -> None:
    panels = page(name)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["title"] and (panel["type"] == "row" or panel["description"].endswith(".")) for panel in panels)
    for panel in panels:
        refs = [target["refId"] for target in panel.get("targets", ())]
        assert len(set(refs)) == len(refs)


@pytest.mark.parametrize("name", NAMES)
def test_queries_ask_only_for_what_is_measured(name: str) -> None:
    queries = [target["expr"] for panel in page(name)["panels"] for target in panel.get("targets", ())]
    asked = {found for query in queries for found in re.findall(r"\b(?:tradewinds|process)_\w+", re.sub(r'"[^"]*"', "", query))}
    assert asked - MEASURED | asked & WITHOUT_SUM == set()


def test_dashboards_find_their_datasource_and_have_unique_ids() -> None:
    provisioned = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yaml").read_text())
    uids = {source["uid"] for source in provisioned["datasources"]}
    assert {panel["datasource"]["uid"] for name in NAMES for panel in page(name)["panels"] if panel["type"] != "row"} == uids
    assert len({page(name)["uid"] for name in NAMES}) == len(NAMES) == 5
