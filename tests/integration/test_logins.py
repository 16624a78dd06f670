"""Who logs in to the record as whom, and that a record of before gets there with what it holds."""

from collections.abc import Iterator
from os import environ
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import psycopg
import pytest
from alembic import command

from fleet import logins, migrate
from fleet.logins import KEPT, each, variable_of, without_theirs
from fleet.plan import FleetSettings
from fleet.roles import Role
from libs.common import secrets
from libs.common.settings import ConfigError
from libs.store.rights import OPERATOR, RIGHTS
from tests.roles import a_record_for_roles, drop_roles


@pytest.fixture
def record(database_url: str) -> Iterator[str]:
    """A record whose roles are gone with it."""
    with a_record_for_roles(database_url) as url:
        yield url


def who(url: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute("select current_user").fetchone()
    assert row is not None
    return str(row[0])


def test_each_logs_in_as_itself_and_again_with_the_same_password(record: str, tmp_path: Path) -> None:
    first = each(record, tmp_path, {})
    assert {service: who(url).rpartition("_" + service)[1:] for service, url in first.services.items()} == {
        service: ("_" + service, "") for service in RIGHTS if service != OPERATOR
    }
    assert (who(first.operator), who(first.owner)) == (f"{urlsplit(record).path[1:]}_{OPERATOR}", urlsplit(record).username)
    assert each(record, tmp_path, {}) == first


def test_passwords_are_kept_where_only_we_read_and_are_shown_nowhere(record: str, tmp_path: Path) -> None:
    made = each(record, tmp_path, {})
    kept = msgspec.json.decode((tmp_path / KEPT).read_bytes(), type=dict[str, Role])
    assert (tmp_path / KEPT).stat().st_mode & 0o777 == 0o600
    assert len({role.password for role in kept.values()}) == len(RIGHTS)
    assert not [role for role in kept.values() if role.password in secrets.mask(" ".join([role.password, *made.services.values()]))]


def test_what_the_operator_says_a_service_logs_in_with_holds(record: str, tmp_path: Path) -> None:
    mine = f"postgresql://{urlsplit(record).path[1:]}_monitor:of%20my%20own@elsewhere:1/whatever"
    made = each(record, tmp_path, {variable_of("monitor"): mine})
    assert urlsplit(made.services["monitor"]).password == "of%20my%20own"
    assert who(made.services["monitor"]).endswith("_monitor")
    assert "monitor" not in msgspec.json.decode((tmp_path / KEPT).read_bytes())


def test_a_url_without_a_password_is_named(record: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^MONITOR_DATABASE_URL: expected postgresql://user:password@"):
        each(record, tmp_path, {variable_of("monitor"): "postgresql://monitor@here/it"})


def test_a_file_of_passwords_that_cannot_be_read_is_named_and_not_written_over(record: str, tmp_path: Path) -> None:
    (tmp_path / KEPT).write_text("{")
    with pytest.raises(ConfigError, match=KEPT):
        each(record, tmp_path, {})
    assert (tmp_path / KEPT).read_text() == "{"


def test_who_brings_one_user_is_served_as_that_user(record: str, tmp_path: Path) -> None:
    one = logins.prepare(record, FleetSettings(database_url=record, state_dir=str(tmp_path)), environ)
    assert set(one.services.values()) == {record, one.operator}
    assert not (tmp_path / KEPT).exists()


def test_a_service_is_told_its_own_url_and_nobody_elses() -> None:
    given = {
        "DATABASE_URL_FILE": "/x",
        "RISK_MANAGER_DATABASE_URL": "postgresql://r:p@h/d",
        "DATABASE_ROLES": "each",
        "REDIS_URL": "redis://h",
    }
    assert without_theirs(given) == {"DATABASE_ROLES": "each", "REDIS_URL": "redis://h"}
    made = logins.Logins("o", "p", {"trade_executor": "t"})
    assert made.environment("trade_executor_standby") == {"DATABASE_URL": "t"}
    assert made.environment("sim_venue") == {"DATABASE_URL": ""}


def test_a_record_of_before_keeps_what_it_holds_and_its_services_get_roles(database_url: str, tmp_path: Path) -> None:
    """Made by a release in which everybody was its owner."""
    name = f"test_before_{tmp_path.name[-8:]}".replace("-", "_")
    url = urlsplit(database_url)._replace(path=f"/{name}").geturl()
    with psycopg.connect(database_url, autocommit=True) as server:
        server.execute(f"create database {name}".encode())
        try:
            command.upgrade(migrate.config(url), "0004")
            with psycopg.connect(url) as connection:
                connection.execute(
                    "insert into kill_switch (scope, key, active, reason, set_by) values ('fleet', '', true, 'before', 'me')"
                )
            migrate.upgrade(url)
            made = each(url, tmp_path, {})
            with psycopg.connect(made.services["trade_executor"]) as connection:
                assert connection.execute("select reason from kill_switch where active").fetchall() == [("before",)]
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute("insert into orders select * from orders")
        finally:
            server.execute(f"drop database {name} with (force)".encode())
            drop_roles(database_url, name)
