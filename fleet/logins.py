"""Where each service finds the record, and as whom: its own role, or the one that the operator has for all.

The embedded Postgres has a role for each service. A server of the operator's has them with DATABASE_ROLES=each; then <SERVICE>_DATABASE_URL
says what a service logs in with, and what it does not say is made up at the first start and kept in the state folder.
"""

import secrets as chance
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import msgspec

from fleet import roles
from fleet.embedded.server import write_private
from fleet.plan import FleetSettings
from fleet.roles import CannotGive, Role
from libs.common import secrets
from libs.common.settings import ConfigError, value_of
from libs.store.rights import OPERATOR, RIGHTS

KEPT: Final = "database_roles.json"
VARIABLE: Final = "DATABASE_URL"


@dataclass(frozen=True)
class Logins:
    """The URL of the record for the owner of its tables, for the operator's commands, and for each service; "" for one that has none."""

    owner: str
    operator: str
    services: Mapping[str, str]

    def environment(self, name: str) -> dict[str, str]:
        """What a service is told of the record; of a standby, what its service is told."""
        return {VARIABLE: self.services.get(name.removesuffix("_standby"), "")}


def prepare(owner_url: str, settings: FleetSettings, environment: Mapping[str, str]) -> Logins:
    """Who logs in as whom; roles are made and given their rights where there are to be some.

    Raises:
        ConfigError: that cannot be done.
    """
    if settings.database_url and settings.database_roles == "one":
        return one_for_all(owner_url)
    return each(owner_url, Path(settings.state_dir).resolve(), environment)


def one_for_all(url: str) -> Logins:
    """Everybody logs in as the owner."""
    return Logins(url, url, dict.fromkeys(RIGHTS, url))


def each(owner_url: str, state: Path, environment: Mapping[str, str]) -> Logins:
    """Makes the roles where they are missing, and gives them their rights. The schema must be this release's.

    Raises:
        ConfigError: that cannot be done.
    """
    found = {**kept(state), **_given(environment)}
    database = urlsplit(owner_url).path.strip("/")
    made = {name: Role(f"{database}_{name}", chance.token_hex(24)) for name in RIGHTS if name not in found}
    if made:
        _keep(state, kept(state) | made)
    them = found | made
    secrets.learn(role.password for role in them.values())
    try:
        roles.give(owner_url, them)
    except CannotGive as error:
        raise ConfigError(str(error)) from error
    urls = {name: url_as(owner_url, role) for name, role in them.items()}
    return Logins(owner_url, urls.pop(OPERATOR), urls)


def variable_of(service: str) -> str:
    """Which variable says what a service logs in with."""
    return f"{service.upper()}_{VARIABLE}"


def without_theirs(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without anybody's URL of the record: a service is told its own, and no other's."""
    return {name: value for name, value in environment.items() if not name.removesuffix("_FILE").endswith(VARIABLE)}


def _given(environment: Mapping[str, str]) -> dict[str, Role]:
    given = {}
    for service in RIGHTS:
        if url := value_of(environment, variable_of(service)):
            parts = urlsplit(url)
            if not parts.username or not parts.password:
                raise ConfigError(f"{variable_of(service)}: expected postgresql://user:password@host:port/database, with both")
            given[service] = Role(unquote(parts.username), unquote(parts.password))
    return given


def kept(state: Path) -> dict[str, Role]:
    """The roles that were made up for the fleet of this state folder.

    Raises:
        ConfigError: the file cannot be read.
    """
    path = state / KEPT
    try:
        found = msgspec.json.decode(path.read_bytes(), type=dict[str, Role])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(f"{path}: {error}; remove it, and new passwords are made at the next start") from error
    return {service: role for service, role in found.items() if service in RIGHTS}


def _keep(state: Path, made: Mapping[str, Role]) -> None:
    try:
        state.mkdir(parents=True, exist_ok=True)
        write_private(state / KEPT, msgspec.json.encode(made).decode())
    except OSError as error:
        raise ConfigError(
            f"{state / KEPT}: {error.strerror}; the passwords of the services' roles are kept there, unless"
            f" {', '.join(sorted(map(variable_of, made)))} say them"
        ) from error


def url_as(url: str, role: Role) -> str:
    """The same record, logged in as this role."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(role.name, safe='')}:{quote(role.password, safe='')}@{host}"))
