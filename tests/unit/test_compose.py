"""What deploy/compose and the Dockerfile promise, read from the files: hardening, secrets, networks, names and ports."""

import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from fleet.logins import variable_of
from libs.domain.fleet import PORTS, SERVICES, STANDBYS
from libs.store.rights import RIGHTS

ROOT: Final = Path(__file__).parents[2]
FILE: Final = ROOT / "deploy" / "compose" / "compose.yaml"
COMPOSE: Final[dict[str, Any]] = yaml.safe_load(FILE.read_text())
CONTAINERS: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
OURS: Final = {name: c["build"]["args"]["SERVICE"] for name, c in CONTAINERS.items() if "build" in c}
ONCE: Final = {"migrate", "gotify-token", "log-setup", "fleet"}  # they do something and leave
DOCKERFILE: Final = (ROOT / "Dockerfile").read_text()

each = pytest.mark.parametrize("name", CONTAINERS)


def folder_of(bind: str) -> Path:
    """The host's side of a volume that is a path of the repository."""
    return (FILE.parent / bind.split(":")[0]).resolve()


def test_every_service_of_the_fleet_is_a_container_under_the_name_that_others_look_for() -> None:
    assert {service.replace("_", "-"): service for service in SERVICES}.items() <= OURS.items()


def test_no_service_is_in_containers_only() -> None:
    there = {service for service in OURS.values() if (ROOT / "services" / service).is_dir()}
    assert there == set(SERVICES)


def test_each_image_is_built_for_its_service_from_a_stage_that_is_there() -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\w+)$", DOCKERFILE, re.MULTILINE))
    for name, service in OURS.items():
        assert CONTAINERS[name]["image"] == f"tradewinds/{service}:${{RELEASE:-0.1.0}}"
        assert CONTAINERS[name]["build"]["target"] in stages


@each
def test_a_container_has_no_more_rights_than_it_needs(name: str) -> None:
    container = CONTAINERS[name]
    assert container["cap_drop"] == ["ALL"]
    assert "cap_add" not in container
    assert "privileged" not in container
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert container["read_only"] or name == "elasticsearch", "Elasticsearch alone writes beside its configuration"
    assert "docker.sock" not in str(container)


@each
def test_a_container_cannot_take_the_machine(name: str) -> None:
    limits = CONTAINERS[name]["deploy"]["resources"]["limits"]
    assert limits.keys() == {"cpus", "memory", "pids"}
    assert CONTAINERS[name]["logging"]["options"] == {"max-size": "10m", "max-file": "3"}


@each
def test_a_container_comes_back_and_says_how_it_is(name: str) -> None:
    container = CONTAINERS[name]
    if name in ONCE:
        assert container["restart"] == "no"
    else:
        assert container["restart"] == "unless-stopped"
        assert ("healthcheck" in container) != (name in OURS), "ours have the check of the Dockerfile"


@pytest.mark.parametrize("name", sorted(set(OURS) - ONCE))
def test_a_service_has_the_time_to_drain_and_waits_for_its_schema(name: str) -> None:
    container = CONTAINERS[name]
    assert (container["init"], container["stop_grace_period"]) == (True, "15s")
    assert container["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_the_market_stops_before_what_it_set_in_motion() -> None:
    """Compose stops who depends on another before that other one."""
    flow = ["data-collector", "strategy-engine", "risk-manager", "trade-executor", "sim-venue"]
    for first, then in zip(flow, flow[1:], strict=False):
        assert then in CONTAINERS[first]["depends_on"]


def test_nothing_but_nginx_is_reached_from_outside() -> None:
    assert [name for name, container in CONTAINERS.items() if "ports" in container] == ["nginx"]
    assert [name for name, container in CONTAINERS.items() if "public" in container["networks"]] == ["nginx"]
    assert not any("network_mode" in container for container in CONTAINERS.values())


def test_only_what_must_get_out_gets_out() -> None:
    internal = {name for name, network in COMPOSE["networks"].items() if network.get("internal")}
    assert internal == {"data", "mon", "edge", "logs"}
    out = {name for name, container in CONTAINERS.items() if set(container["networks"]) - internal}
    to_venues = {"data-collector", "trade-executor", "trade-executor-standby", "deadman", "risk-manager"}
    assert out == {*to_venues, "monitor", "alertmanager", "nginx"}


def test_the_record_is_out_of_reach_of_what_the_world_reaches() -> None:
    assert (CONTAINERS["postgres"]["networks"], CONTAINERS["valkey"]["networks"]) == (["data"], ["data"])
    assert not {"nginx", "grafana", "gotify"} & {name for name, container in CONTAINERS.items() if "data" in container["networks"]}


@each
def test_no_secret_is_in_the_environment(name: str) -> None:
    secret = re.compile(r"PASS|TOKEN|SECRET|KEY|DATABASE_URL|REDIS_URL|WEBHOOK")
    for variable, value in CONTAINERS[name].get("environment", {}).items():
        if secret.search(variable):
            assert variable.endswith("_FILE"), variable
            assert value.startswith(("/run/secrets/", "/run/gotify/")), value


@each
def test_a_secret_that_is_read_is_one_that_was_handed_over(name: str) -> None:
    container = CONTAINERS[name]
    read = set(re.findall(r"/run/secrets/([\w.]+)", str({**container, "secrets": None})))
    assert read <= set(container.get("secrets", []))
    assert set(container.get("secrets", [])) <= set(COMPOSE["secrets"])


@pytest.mark.parametrize("name", sorted(set(CONTAINERS) - set(OURS)))
def test_foreign_images_are_of_a_fixed_version(name: str) -> None:
    image = CONTAINERS[name]["image"]
    assert image.startswith("tradewinds/") or re.search(r":v?\d+\.\d+(\.\d+)?$", image)


def test_what_is_mounted_from_the_repository_is_there_and_read_only() -> None:
    binds = [v for container in CONTAINERS.values() for v in container.get("volumes", []) if v.startswith("../")]
    assert all(bind.endswith(":ro") for bind in binds)
    assert [str(path) for path in map(folder_of, binds) if not path.exists()] == []


@pytest.mark.parametrize(("name", "purpose"), [("deadman", "_deadman_"), ("risk-manager", "_auditor_")])
def test_the_keys_of_who_does_not_trade_are_his_alone_and_he_has_nobody_elses(name: str, purpose: str) -> None:
    theirs = {other: {s for s in c.get("secrets", []) if s.endswith(("_api_key", "_secret_key"))} for other, c in CONTAINERS.items()}
    assert theirs[name]
    assert all(purpose in secret for secret in theirs[name])
    assert not [other for other, keys in theirs.items() if other != name and any(purpose in key for key in keys)]


def test_each_logs_in_to_the_database_as_itself_and_only_who_makes_the_roles_as_their_owner() -> None:
    def logs_in(container: dict[str, Any]) -> set[str]:
        return {secret for secret in container.get("secrets", []) if secret.endswith("database_url")}

    everybody = {f"{role}_database_url" for role in RIGHTS}
    for name, service in OURS.items():
        role = "operator" if service == "fleet" else service
        assert logs_in(CONTAINERS[name]) == ({f"{role}_database_url"} & everybody if name != "migrate" else {"database_url", *everybody})
        if name != "migrate" and role in RIGHTS:
            assert CONTAINERS[name]["environment"]["DATABASE_URL_FILE"] == f"/run/secrets/{role}_database_url"
    told = CONTAINERS["migrate"]["environment"]
    assert {told[f"{variable_of(role)}_FILE"] for role in RIGHTS} == {f"/run/secrets/{secret}" for secret in everybody}


def test_the_standby_is_the_executor_again_under_another_name() -> None:
    active, standby = CONTAINERS["trade-executor"], CONTAINERS["trade-executor-standby"]
    assert standby["profiles"] == ["standby"]
    for what in ("image", "secrets", "volumes", "networks", "environment", "deploy"):
        assert standby[what] == active[what]
    assert str(STANDBYS["trade_executor_standby"].port) in str(standby["healthcheck"])


def test_prometheus_looks_for_the_services_where_they_are() -> None:
    jobs = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    asked = {job["job_name"]: job["static_configs"][0]["targets"] for job in jobs if "static_configs" in job}
    assert {name: [f"{name.replace('_', '-')}:{port}"] for name, port in PORTS.items()}.items() <= asked.items()
    assert all(target.split(":")[0] in {*CONTAINERS, "localhost"} for targets in asked.values() for target in targets)


def test_nginx_looks_for_containers_that_are_there() -> None:
    asked = dict(re.findall(r"http://([\w-]+):(\d+);", (ROOT / "deploy" / "nginx" / "nginx.conf").read_text()))
    assert asked.keys() <= CONTAINERS.keys()
    assert asked["monitor"] == str(PORTS["monitor"])
    assert asked["gotify"] == CONTAINERS["gotify"]["environment"]["GOTIFY_SERVER_PORT"]


def test_what_the_venues_hold_and_the_database_have_volumes_and_services_have_no_other() -> None:
    kept = {name: [v for v in CONTAINERS[name]["volumes"] if not v.startswith(("../", "${"))] for name in set(OURS) - ONCE}
    assert {name: volumes for name, volumes in kept.items() if volumes} == {
        "trade-executor": ["paper:/state"],
        "risk-manager": ["paper:/state:ro"],
        "sim-venue": ["sim-venue:/state"],
        "deadman": ["deadman:/state"],
        "monitor": ["gotify-token:/run/gotify:ro"],
    }
    assert CONTAINERS["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]  # not its folder data: Postgres 18 would not start


@pytest.mark.parametrize("stage", ["service", "fleet"])
def test_an_image_runs_as_nobody_in_particular(stage: str) -> None:
    text = re.split(rf"^FROM installed AS {stage}$", DOCKERFILE, flags=re.MULTILINE)[1].split("\nFROM ")[0]
    assert "USER 10001:10001" in text
    assert "RUN" not in text.split("USER 10001:10001")[1]


def test_the_dockerfile_installs_nothing_without_a_hash() -> None:
    installs = re.findall(r"pip [^&]*?install [^&]*", DOCKERFILE)
    assert len(installs) == 2
    assert all("--require-hashes" in install and "--no-deps" in install for install in installs)


def test_the_dockerfile_needs_no_builder_of_its_own() -> None:
    """Debian's engine has neither here-documents nor a registry to fetch a syntax from."""
    assert "# syntax=" not in DOCKERFILE
    assert "<<" not in DOCKERFILE


def test_the_release_of_an_image_is_that_of_the_project() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"ARG RELEASE={version}\n" in DOCKERFILE
    assert all(container["image"].endswith(f"${{RELEASE:-{version}}}") for name, container in CONTAINERS.items() if name in OURS)


def test_a_build_sees_only_what_it_is_told_to_see() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    assert not [line for line in lines if "deploy/compose" in line or "config" in line or line in ("!.", "!**")]


def test_every_package_of_the_lock_is_found_with_its_hashes() -> None:
    found = runpy.run_path(str(ROOT / "scripts" / "locked.py"))["locked"]()
    lock = (ROOT / "constraints.txt").read_text()
    assert len(found) == len(re.findall(r"^\S+==", lock, re.MULTILINE))
    assert sum(block.count("--hash=sha256:") for block in found.values()) == lock.count("--hash=sha256:")
    assert "psycopg-binary" in found


def test_an_extra_that_is_not_there_is_named_with_those_that_are() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "locked.py"), "nobody"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no extra 'nobody'" in done.stderr
    assert "risk_manager" in done.stderr


def test_compose_itself_accepts_the_file(tmp_path: Path) -> None:
    if shutil.which("docker") is None or subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("no docker compose on this machine")
    command = ["docker", "compose", "-f", str(FILE), "--profile", "*", "config", "--quiet"]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stderr == ""
