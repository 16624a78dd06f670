"""A database role for each service, with the rights of libs/store/rights.py and no others.

Given after each migration, all in one transaction: whoever looks meanwhile finds the old rights or the new ones.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import psycopg
from psycopg import sql

from libs.domain.streams import CHANNELS
from libs.store.rights import ALL, OPERATOR, RIGHTS, Rights

PATIENCE: Final = "set local lock_timeout = '5s'"  # with services that run: a policy that is made waits for their transactions
NUMBERING: Final = (
    "select s.relname from pg_class s join pg_depend d on d.objid = s.oid and d.deptype in ('a', 'i')"
    " where s.relkind = 'S' and d.refobjid = any(%s::regclass[])"
)
TAKE_TURNS: Final = "select pg_advisory_xact_lock(hashtext('tradewinds roles'))"


class Role(NamedTuple):
    """What a service logs in as."""

    name: str
    password: str


class CannotGive(Exception):
    """The rights cannot be given; the message says what is missing."""


def streams_of(service: str) -> list[str]:
    """The streams that it may append to."""
    writer = "fleet" if service == OPERATOR else service
    return sorted({channel.stream for channel in CHANNELS if channel.stream and writer in channel.writers})


def give(owner_url: str, roles: Mapping[str, Role]) -> None:
    """Makes the roles that are missing, and gives each service exactly its rights; doing so again changes nothing.

    Raises:
        CannotGive: the user of `owner_url` may not do so, or nobody answers.
    """
    try:
        with psycopg.connect(owner_url, connect_timeout=3) as connection:
            connection.execute(PATIENCE)
            connection.execute(TAKE_TURNS)
            _make(connection, roles)
            _forget(connection, roles)
            for service, role in roles.items():
                for statement in _granted(connection, RIGHTS[service], sql.Identifier(role.name)):
                    connection.execute(statement)
                for statement in _policies(service, sql.Identifier(role.name)):
                    connection.execute(statement)
    except psycopg.Error as error:
        raise CannotGive(f"the services' roles cannot be given their rights: {str(error).splitlines()[0]}") from error


def _make(connection: psycopg.Connection, roles: Mapping[str, Role]) -> None:
    """The roles themselves, with their passwords as the server keeps them: what is sent can be logged and shows no password."""
    row = connection.execute("select rolcreaterole or rolsuper from pg_roles where rolname = current_user").fetchone()
    wanted = [role.name for role in roles.values()]
    there = {name for (name,) in connection.execute("select rolname from pg_roles where rolname = any(%s)", (wanted,))}
    if row is None or not row[0]:
        if missing := sorted(set(wanted) - there):
            raise CannotGive(
                f"the user of DATABASE_URL may not make roles, and these are missing: {', '.join(missing)};"
                " make them (create role ... login password ...), or give that user createrole"
            )
        return  # whoever made them chose their passwords
    for role in roles.values():
        kept = connection.pgconn.encrypt_password(role.password.encode(), role.name.encode(), b"scram-sha-256").decode()
        verb = sql.SQL("alter" if role.name in there else "create")
        connection.execute(sql.SQL("{} role {} login password {}").format(verb, sql.Identifier(role.name), sql.Literal(kept)))


def _forget(connection: psycopg.Connection, roles: Mapping[str, Role]) -> None:
    """Takes away whatever was given before, and what Postgres gives to everybody."""
    names = sql.SQL(", ").join(sql.Identifier(role.name) for role in roles.values())
    database = sql.Identifier(connection.info.dbname)
    for what in ("tables", "sequences", "functions"):
        connection.execute(sql.SQL("revoke all on all {} in schema public from {}").format(sql.SQL(what), names))
    connection.execute("revoke all on all functions in schema public from public")
    connection.execute("revoke create on schema public from public")
    connection.execute(sql.SQL("revoke temporary on database {} from public").format(database))
    connection.execute(sql.SQL("grant connect on database {} to {}").format(database, names))
    connection.execute(sql.SQL("grant usage on schema public to {}").format(names))


def _granted(connection: psycopg.Connection, rights: Rights, role: sql.Identifier) -> Iterator[sql.Composed]:
    for verb, tables in (("select", rights.reads), ("insert", rights.inserts), ("delete", rights.deletes)):
        if tables:
            listed = sql.SQL(", ").join(map(sql.Identifier, sorted(tables)))
            yield sql.SQL("grant {} on {} to {}").format(sql.SQL(verb), listed, role)
    for table, columns in sorted(rights.updates.items()):
        of = sql.SQL("") if columns == ALL else sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Identifier, columns)))
        yield sql.SQL("grant update {} on {} to {}").format(of, sql.Identifier(table), role)
    for function in sorted(rights.calls):
        yield sql.SQL("grant execute on function {} to {}").format(sql.Identifier(function), role)
    for (sequence,) in connection.execute(NUMBERING, (sorted(rights.inserts),)).fetchall():
        yield sql.SQL("grant usage on sequence {} to {}").format(sql.Identifier(sequence), role)


def _policies(service: str, role: sql.Identifier) -> Iterator[sql.Composed]:
    """Which rows, where that depends on who it is: the streams it appends to, and the kill switches it lifts."""
    streams = sql.SQL(", ").join(map(sql.Literal, streams_of(service)))
    wanted = [
        ("appends", "journal", "for insert to {} with check (stream in ({}))", streams_of(service)),
        ("counts", "journal_counters", "for update to {} using (stream in ({}))", streams_of(service)),
        ("lifts", "kill_switch", "for update to {} using (true) with check (true)", service == OPERATOR),
    ]
    for name, table, what, is_his in wanted:
        policy = sql.Identifier(f"{name}_{service}")
        yield sql.SQL("drop policy if exists {} on {}").format(policy, sql.Identifier(table))
        if is_his:
            yield sql.SQL("create policy {} on {} " + what).format(policy, sql.Identifier(table), role, streams)
