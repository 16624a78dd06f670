"""Roles of databases that were made for a test: they outlive their database, as they belong to the server."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from libs.store.rights import RIGHTS
from tests.records import a_record


def drop_roles(owner_url: str, database: str) -> None:
    """Those of a database that is gone."""
    names = sql.SQL(", ").join(sql.Identifier(f"{database}_{service}") for service in RIGHTS)
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute(sql.SQL("drop role if exists {}").format(names))


@contextmanager
def a_record_for_roles(owner_url: str) -> Iterator[str]:
    """The URL of a new record; the roles that were made for it are gone with it."""
    with a_record(owner_url) as url:
        yield url
    drop_roles(owner_url, urlsplit(url).path[1:])
