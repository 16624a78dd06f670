import inspect
import re
import shutil
import subprocess
import sys

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from fleet.monitoring import catalog
from fleet.monitoring.catalog import Metric
from libs.common import metrics

METRICS = catalog.every()
IDS = [metric.name for metric in METRICS]
SUFFIXES = ("_seconds", "_ratio")
ONE_SERIES_EACH = """
from prometheus_client import Counter, Gauge, Histogram, generate_latest
from libs.common import metrics
for metric in vars(metrics).values():
    if isinstance(metric, Counter | Gauge | Histogram) and metric._labelnames:
        metric.labels(*metric._labelnames)
    if isinstance(metric, metrics.Measured):
        metric.set(0)
print(generate_latest().decode(), end="")
"""


def test_the_catalog_has_every_metric_of_the_file() -> None:
    assert len(METRICS) == sum(isinstance(value, Counter | Gauge | Histogram) for value in vars(metrics).values())


def test_every_heading_says_who_sets_what_follows() -> None:
    headings = re.findall(r"^# --- .+", inspect.getsource(metrics), re.MULTILINE)
    assert [f"# --- {s.title}: set by {s.setter}" for s in catalog.sections()] == headings


@pytest.mark.parametrize("metric", METRICS, ids=IDS)
def test_a_metric_says_what_it_is_in_base_units(metric: Metric) -> None:
    assert re.fullmatch(r"tradewinds_[a-z][a-z_]*[a-z]", metric.name)
    assert len(metric.meaning) > 3
    assert not metric.meaning.endswith(".")
    assert not re.search(r"_(ms|millis\w*|us|micros\w*|ns|minutes|hours|days|percent|pct|bps)(_|$)", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.kind != "histogram" or metric.name.endswith(SUFFIXES)


@pytest.mark.parametrize("metric", METRICS, ids=IDS)
def test_no_label_is_an_id_or_can_take_any_value(metric: Metric) -> None:
    assert not [label for label in metric.labels if re.search(r"(^|_)(id|uuid|key|trace|time|message|error|detail|instance)$", label)]
    assert "symbol" not in metric.labels or metric.name == "tradewinds_portfolio_position_ratio"  # of what is held: few


def test_promtool_finds_nothing_to_complain_of() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    shown = subprocess.run([sys.executable, "-c", ONE_SERIES_EACH], capture_output=True, text=True, check=True).stdout
    assert all(f"# TYPE {name} " in shown for name in IDS)
    said = subprocess.run(["promtool", "check", "metrics"], input=shown, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout + said.stderr) == (0, "")


def test_a_measure_without_labels_is_shown_by_the_process_that_takes_it_only() -> None:
    """Else every service would say that no disk is free."""
    registry = CollectorRegistry()
    measure = metrics.Measured("tradewinds_test_free_ratio", "Free share", registry=registry)
    assert registry.get_sample_value("tradewinds_test_free_ratio") is None
    measure.set(0.0)
    assert registry.get_sample_value("tradewinds_test_free_ratio") == 0.0


def test_no_gauge_without_labels_says_nought_before_it_is_set() -> None:
    gauges = [value for value in vars(metrics).values() if isinstance(value, Gauge)]
    assert [g.describe() for g in gauges if not g._labelnames and not isinstance(g, metrics.Measured)] == []
