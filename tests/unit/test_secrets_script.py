"""scripts/secrets.sh: makes what is missing, and nothing else."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on this machine")


def make(folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = ["bash", str(ROOT / "scripts" / "secrets.sh"), str(folder)]
    return subprocess.run(command, env={"PATH": "/usr/bin:/bin", **environment}, capture_output=True, text=True, check=False)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_every_secret_that_compose_wants_is_made_and_named(tmp_path: Path) -> None:
    said = make(tmp_path / "secrets").stdout
    wanted = yaml.safe_load((ROOT / "deploy" / "compose" / "compose.yaml").read_text())["secrets"]
    made = contents(tmp_path / "secrets")
    assert {Path(secret["file"]).name for secret in wanted.values()} == made.keys() - {"operator_password"}
    assert all(f"made {name} " in said for name in made)


def test_containers_can_read_them_and_other_people_cannot(tmp_path: Path) -> None:
    make(tmp_path / "secrets")
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in (tmp_path / "secrets").iterdir())


def test_a_second_time_nothing_changes_and_nothing_is_said(tmp_path: Path) -> None:
    make(tmp_path)
    before = contents(tmp_path)
    again = make(tmp_path)
    assert (again.returncode, again.stdout, contents(tmp_path)) == (0, "", before)


def test_a_url_holds_the_password_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "postgres_password").write_text("mine")
    make(tmp_path)
    made = contents(tmp_path)
    assert (made["postgres_password"], made["database_url"]) == ("mine", "postgresql://fleet:mine@postgres:5432/tradewinds")
    assert made["valkey.conf"].split()[1] in made["redis_url"]


def test_the_certificate_is_for_localhost_and_the_names_asked_for(tmp_path: Path) -> None:
    make(tmp_path, TLS_NAMES="trade.example.org 10.0.0.5")
    command = ["openssl", "x509", "-in", str(tmp_path / "tls.crt"), "-noout", "-ext", "subjectAltName"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "DNS:localhost, IP Address:127.0.0.1, DNS:trade.example.org, IP Address:10.0.0.5" in shown


def test_half_a_certificate_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "tls.crt").write_text("theirs")
    done = make(tmp_path)
    assert (done.returncode, (tmp_path / "tls.crt").read_text()) == (1, "theirs")
    assert "of tls.crt and tls.key" in done.stderr
