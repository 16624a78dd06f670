"""A database of its own for a test, with the schema of this release."""

import atexit
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg

from fleet import migrate

_templates: dict[str, str] = {}  # by server: a migrated database that nobody connects to


@contextmanager
def a_record(database_url: str) -> Iterator[str]:
    """The URL of a new, migrated database on the same server; gone afterwards.

    Only the first is migrated. The others are copies of it, which take a tenth of the time.
    """
    with psycopg.connect(database_url, autocommit=True) as connection:
        template = _templates.get(database_url) or _migrated(database_url, connection)
    with an_empty_database(database_url, template) as url:
        yield url


@contextmanager
def an_empty_database(database_url: str, template: str = "template1") -> Iterator[str]:
    """The URL of a new database on the same server, as the template is; gone afterwards."""
    name = f"test_{uuid4().hex[:12]}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"create database {name} template {template}".encode())
        try:
            yield _named(database_url, name)
        finally:
            connection.execute(f"drop database {name} with (force)".encode())


def _migrated(database_url: str, connection: psycopg.Connection) -> str:
    name = f"test_template_{uuid4().hex[:12]}"
    connection.execute(f"create database {name}".encode())
    migrate.upgrade(_named(database_url, name))
    _templates[database_url] = name
    atexit.register(_drop, database_url, name)
    return name


def _drop(database_url: str, name: str) -> None:
    with suppress(psycopg.Error), psycopg.connect(database_url, autocommit=True) as connection:  # a server of the tests' own is gone
        connection.execute(f"drop database {name} with (force)".encode())


def _named(database_url: str, name: str) -> str:
    return urlunsplit(urlsplit(database_url)._replace(path=f"/{name}"))
