import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet.monitoring import catalog, command, files, recording, routing
from fleet.monitoring.alerts.alert import Alert
from fleet.monitoring.alerts.order_path import ORDER_PATH
from fleet.monitoring.command import MonitoringSettings
from libs.common import metrics
from libs.common.settings import ConfigError, from_environment
from libs.domain.fleet import PORTS, SERVICES

ALERTS = files.alerts()
FOLDER = files.COMMITTED
TESTS = sorted((FOLDER / "tests").glob("*.yml"))
ROOT = FOLDER.parent


def tool(*command: str) -> str:
    """What promtool or amtool says, in the repository; the test is skipped where it is not installed."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed (Debian: prometheus, prometheus-alertmanager)")
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=FOLDER)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def names(alerts: list[Alert]) -> list[str]:
    return [f"{alert.name}-{alert.fault}-{alert.severity}" for alert in alerts]


# --- the files


@pytest.mark.parametrize("path", files.committed(), ids=lambda path: path.name)
def test_a_committed_file_is_what_the_code_says(path: Path) -> None:
    assert path.read_text() == files.committed()[path], "run `make docs`"


def test_every_service_is_scraped_under_its_container_name_and_nothing_else_of_ours() -> None:
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    found = {job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"] if "static_configs" in job}
    assert {name: found[name] for name in SERVICES} == {n: [f"{n.replace('_', '-')}:{p}"] for n, p in PORTS.items()}
    assert found.keys() - SERVICES.keys() == {"prometheus", "alertmanager"}


def test_promtool_and_amtool_accept_all_of_it() -> None:
    tool("promtool", "check", "config", "--lint=all", "--lint-fatal", "prometheus.yml")
    tool("promtool", "check", "rules", "--lint=all", "--lint-fatal", "rules/alerts.yml", "rules/recording.yml")
    tool("amtool", "check-config", "alertmanager.yml")


# --- the rules


def used(expr: str) -> set[str]:
    return set(re.findall(r"(?<![\w:])(?:tradewinds_\w+|\w+:tradewinds_\w+:\w+)", expr))


KNOWN = {series for metric in catalog.every() for series in metric.series}
EXPRESSIONS = [*recording.RECORDED.items(), *((alert.fault, alert.expr) for alert in ALERTS)]


@pytest.mark.parametrize(("name", "expr"), EXPRESSIONS, ids=[name for name, _ in EXPRESSIONS])
def test_a_rule_uses_only_metrics_that_exist(name: str, expr: str) -> None:
    assert used(expr) or expr == "vector(1)"
    assert used(expr) - KNOWN - recording.RECORDED.keys() == set()


def test_a_recording_rule_uses_only_what_was_recorded_before_it() -> None:
    before: set[str] = set()
    for name, expr in recording.RECORDED.items():
        assert used(expr) - KNOWN <= before
        before.add(name)


def test_what_is_called_a_bad_fill_is_the_end_of_a_bucket() -> None:
    ends = re.search(r'le="([^"]+)"', recording.RECORDED[recording.BAD_FILLS])
    assert ends is not None
    assert float(ends[1]) in metrics.SLIPPAGE._upper_bounds
    assert ends[1] == repr(float(ends[1]))  # as Prometheus writes it, whichever version


@pytest.mark.parametrize("alert", ALERTS, ids=names(ALERTS))
def test_an_alert_says_what_is_wrong_in_a_line_and_what_it_stops_in_some(alert: Alert) -> None:
    assert not alert.summary.endswith(".")
    assert alert.description.endswith(".")
    assert len(re.sub(r"{{.*?}}", "12345", alert.summary)) <= 80  # a phone's screen
    assert re.fullmatch(r"[A-Z][A-Za-z]+", alert.name)
    for template in re.findall(r"{{(.*?)}}", alert.summary + alert.description + alert.fault):
        assert re.fullmatch(r" \$labels\.\w+ | \$value \| humanize(Duration|Percentage)? ", template)


def test_no_two_alerts_that_can_last_side_by_side_share_a_fault() -> None:
    by_fault: dict[str, set[str]] = {}
    for alert in ALERTS:
        by_fault.setdefault(alert.fault, set()).add(alert.name)
    assert {fault: found for fault, found in by_fault.items() if len(found) > 1} == {}


def test_accounts_are_told_from_other_consumers_by_their_names() -> None:
    assert re.fullmatch(ORDER_PATH, "risk:paper")
    assert re.fullmatch(ORDER_PATH, "executor:paper-2")
    assert not re.fullmatch(ORDER_PATH, "scheduler")


# --- their tests


def checks() -> Iterator[Mapping[str, Any]]:
    for path in TESTS:
        for test in yaml.safe_load(path.read_text())["tests"]:
            yield from test["alert_rule_test"]


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_and_do_not_fire_as_the_rule_tests_say(path: Path) -> None:
    tool("promtool", "test", "rules", str(path))


def test_every_alert_has_a_rule_test_of_each_severity_that_it_has() -> None:
    tested = {(check["alertname"], found["exp_labels"]["severity"]) for check in checks() for found in check["exp_alerts"]}
    assert tested == {(alert.name, alert.severity) for alert in ALERTS}


def test_every_alert_but_the_watchdog_is_shown_not_to_fire_as_well() -> None:
    quiet = {check["alertname"] for check in checks() if not check["exp_alerts"]}
    assert {alert.name for alert in ALERTS} - quiet <= {"Watchdog", "Slippage"}  # Slippage: two strategies of three are quiet


# --- the routes

ROUTED = [
    (["alertname=Watchdog", "severity=info"], "watchdog"),
    (["alertname=ServiceDown", "severity=critical", "service=risk_manager"], "monitor"),
    (["alertname=RefusalSurge", "severity=warning"], "monitor"),
    (["alertname=KillSwitchOn", "severity=info"], "monitor"),
]


@pytest.mark.parametrize(("labels", "receiver"), ROUTED, ids=lambda value: value[0] if isinstance(value, list) else value)
def test_an_alert_goes_where_it_should(labels: list[str], receiver: str) -> None:
    said = tool("amtool", "config", "routes", "test", "--config.file=alertmanager.yml", *labels)
    assert said.split() == [receiver]


def test_what_another_alert_explains_is_an_alert_there_is() -> None:
    matched = [routing.FOLLOW_FROM_POSTGRES, routing.SYMPTOMS, "ServiceDown", "FeedStale"]
    assert {name for text in matched for name in text.split("|")} <= {alert.name for alert in ALERTS}
    faults = {alert.fault for alert in ALERTS}
    assert "server_down:postgres" in faults


def test_a_symptom_names_the_service_that_may_explain_it() -> None:
    """By the rule or by what it measures: the inhibition compares `service`."""
    without = {a.name for a in ALERTS if a.name in routing.SYMPTOMS.split("|") and not a.service and "by (service)" not in a.expr}
    assert without == {"JournalLag"}  # of those beside the order path, which may belong to any service


# --- a configuration for one machine


def settings(**environment: str) -> MonitoringSettings:
    return from_environment(MonitoringSettings, environment)


def test_on_one_machine_all_is_on_loopback_and_moved_by_the_offset(tmp_path: Path) -> None:
    command.write(tmp_path, settings(PORT_OFFSET="1000"), {"risk_manager": 10103}, "http://phone.example:8008/", by_email=False)
    scraped = yaml.safe_load((tmp_path / "prometheus.yml").read_text())
    targets = [target for job in scraped["scrape_configs"] if "static_configs" in job for target in job["static_configs"][0]["targets"]]
    assert targets == ["127.0.0.1:10103", "127.0.0.1:10090", "127.0.0.1:10093"]
    routed = yaml.safe_load((tmp_path / "alertmanager.yml").read_text())
    assert routed["receivers"][0]["webhook_configs"][0]["url"] == "http://127.0.0.1:9008/alertmanager"
    rules = yaml.safe_load((tmp_path / "rules" / "alerts.yml").read_text())
    links = {rule["annotations"]["runbook_url"] for group in rules["groups"] for rule in group["rules"]}
    assert all(link.startswith("http://phone.example:8008/runbooks/") for link in links)


def test_secrets_are_private_files_and_in_no_configuration(tmp_path: Path) -> None:
    environment = {"MONITOR_TOKEN": "t0ken", "EMAIL_PASSWORD": "pa55", "EMAIL_SMTP_SERVER": "smtp.example"}
    people = {"EMAIL_FROM": "fleet@example.org", "EMAIL_TO": "me@example.org", "EMAIL_USERNAME": "fleet"}
    command.write(tmp_path, settings(**environment, **people), PORTS, "http://x", by_email=True)
    assert ((tmp_path / "token").read_text(), (tmp_path / "email_password").read_text()) == ("t0ken", "pa55")
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("token", "email_password")} == {0o600}
    assert not any(secret in path.read_text() for path in tmp_path.rglob("*.yml") for secret in ("t0ken", "pa55"))
    tool("amtool", "check-config", str(tmp_path / "alertmanager.yml"))
    tool("promtool", "check", "config", str(tmp_path / "prometheus.yml"))
    both = tool("amtool", "config", "routes", "test", f"--config.file={tmp_path / 'alertmanager.yml'}", "severity=critical")
    assert both.strip() == "email,monitor"


def test_e_mail_without_an_address_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected EMAIL_FROM, EMAIL_TO in the environment"):
        command.write(tmp_path, settings(EMAIL_SMTP_SERVER="smtp.example"), PORTS, "http://x", by_email=True)
    assert list(tmp_path.iterdir()) == []
