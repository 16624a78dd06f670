"""`fleet migrate`, as a container runs it before the services are started."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest

from fleet import migrate


@pytest.fixture
def empty(database_url: str) -> Iterator[str]:
    """The URL of a new database without a table."""
    name = f"test_{uuid4().hex[:12]}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"create database {name}".encode())
        try:
            yield urlunsplit(urlsplit(database_url)._replace(path=f"/{name}"))
        finally:
            connection.execute(f"drop database {name} with (force)".encode())


def fleet_migrate(url: str) -> tuple[int, dict[str, object]]:
    environment = {**os.environ, "DATABASE_URL": url}
    done = subprocess.run([sys.executable, "-m", "fleet.cli", "migrate", "--json"], env=environment, capture_output=True, text=True)
    return done.returncode, json.loads(done.stdout)


def test_an_empty_database_gets_the_schema_and_a_second_time_changes_nothing(empty: str) -> None:
    code, first = fleet_migrate(empty)
    assert (code, first["ok"], first["before"], migrate.behind(empty)) == (0, True, None, False)
    code, second = fleet_migrate(empty)
    assert (code, second["before"]) == (0, first["now"])


def test_two_that_migrate_at_once_do_not_meet(empty: str) -> None:
    with ThreadPoolExecutor(2) as both:
        answers = list(both.map(fleet_migrate, [empty, empty]))
    assert [code for code, _ in answers] == [0, 0]
    assert not migrate.behind(empty)


def test_a_server_that_may_lose_commits_is_refused(empty: str) -> None:
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute(f"alter database {urlsplit(empty).path[1:]} set synchronous_commit = off".encode())
    code, answer = fleet_migrate(empty)
    assert (code, answer["ok"]) == (2, False)
    assert "synchronous_commit is off" in str(answer["error"])


@pytest.mark.parametrize(
    ("url", "code", "said"), [("", 2, "DATABASE_URL is not set"), ("postgresql://fleet@127.0.0.1:1/none", 3, "does not answer")]
)
def test_it_says_what_is_missing(url: str, code: int, said: str) -> None:
    got, answer = fleet_migrate(url)
    assert (got, said in str(answer["error"])) == (code, True)
