"""Roles of databases that were made for a test: they outlive their database, as they belong to the server."""

import psycopg
from psycopg import sql

from libs.store.rights import RIGHTS


def drop_roles(owner_url: str, database: str) -> None:
    """Those of a database that is gone."""
    names = sql.SQL(", ").join(sql.Identifier(f"{database}_{service}") for service in RIGHTS)
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute(sql.SQL("drop role if exists {}").format(names))
