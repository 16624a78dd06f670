"""A database of its own for a test, with the schema of this release."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg

from fleet import migrate


@contextmanager
def a_record(database_url: str) -> Iterator[str]:
    """The URL of a new, migrated database on the same server; gone afterwards."""
    name = f"test_{uuid4().hex[:12]}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"create database {name}".encode())
        try:
            url = urlunsplit(urlsplit(database_url)._replace(path=f"/{name}"))
            migrate.upgrade(url)
            yield url
        finally:
            connection.execute(f"drop database {name} with (force)".encode())
