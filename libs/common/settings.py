"""Settings from the environment and from TOML files. A wrong value is named with its place and what was expected."""

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar, get_args

import msgspec
from msgspec import inspect

from libs.common import secrets

T = TypeVar("T")
SECRETS: Final = ("url", "key", "secret", "password", "token", "webhook")


class ConfigError(Exception):
    """The operator's configuration cannot be used; the message says where and what was expected. Exit code 2."""


def peer_url(host: str, name: str, port: int) -> str:
    """The base URL of a service; `{name}` in `host` is its name as host names are written, with - for _."""
    return f"http://{host.replace('{name}', name.replace('_', '-'))}:{port}"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What every service takes from its environment."""

    database_url: str
    redis_url: str
    environment: str = "development"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    execution_mode: Literal["paper_trading", "live"] = "paper_trading"
    live_trading_confirmed: str = ""  # yes: whoever set EXECUTION_MODE=live means it
    port_offset: Annotated[int, msgspec.Meta(ge=0, le=55_000)] = 0
    bind_host: str = "127.0.0.1"  # where a service listens; without authentication, so never a network that others reach
    peer_host: str = "127.0.0.1"  # where the others listen; `{name}` is the service's name with - for _
    state_dir: str = ".state"
    market_data_dir: str = ""
    config_dir: str = "config"
    log_file: str = ""  # what stdout goes to, when it is the service's own to put aside when full; the supervisor says so
    release: str = "0.1.0"

    def __post_init__(self) -> None:
        """ValueError: real money would be traded because of one variable alone."""
        if self.execution_mode == "live" and self.live_trading_confirmed != "yes":
            raise ValueError("EXECUTION_MODE=live trades real money: set LIVE_TRADING_CONFIRMED=yes if you mean it")

    def peer(self, name: str, port: int) -> str:
        """The base URL of another service."""
        return peer_url(self.peer_host, name, port + self.port_offset)

    def recordings(self) -> Path | None:
        """The folder of recorded markets; None when MARKET_DATA_DIR is not set."""
        return Path(self.market_data_dir) if self.market_data_dir else None

    def shown(self) -> dict[str, object]:
        """For /info: everything but secrets."""
        values = msgspec.to_builtins(self)
        return {k: _shown(k, v) for k, v in values.items()}


def _shown(name: str, value: object) -> object:
    return secrets.MASK if any(word in name for word in SECRETS) and value else value


def value_of(environment: Mapping[str, str], name: str) -> str:
    """A variable, or what is in the file that `<name>_FILE` names; "" when neither is set.

    Raises:
        ConfigError: the file cannot be read.
    """
    path = environment.get(f"{name}_FILE")
    if not path:
        return environment.get(name, "")
    try:
        found = Path(path).read_text().strip()
    except OSError as error:
        raise ConfigError(f"{name}_FILE={path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigError(f"{name}_FILE={path}: not UTF-8 text") from None  # whose text would show the secret
    secrets.learn_environment({name: found})
    return found


def from_environment(kind: type[T], environment: Mapping[str, str]) -> T:
    """A settings struct from variables of the same names in capitals; `X_FILE` names a file that holds `X`.

    What is secret of them, and of all else in the environment, is masked from now on in whatever this process says.

    Raises:
        ConfigError: a variable is missing or has a wrong value.
    """
    fields = {item.name: value_of(environment, item.name.upper()) for item in msgspec.structs.fields(kind)}  # type: ignore[arg-type]
    values = {name: value for name, value in fields.items() if value != ""}
    secrets.learn_environment(environment)
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        text = str(error)
        where = re.search(r"(?:at `\$\.|field `)(\w+)", text)
        if where is None:  # of several variables together; it names them itself
            raise ConfigError(text) from error
        name = where.group(1)
        got = f", got {_shown(name, values[name])!r}" if name in values else " in the environment"
        choice = next((get_args(f.type) for f in msgspec.structs.fields(kind) if f.name == name), ())  # type: ignore[arg-type]
        wanted = f", expected one of {', '.join(choice)}" if "enum value" in text else ""
        raise ConfigError(f"{name.upper()}: {text.split(' - at')[0]}{got}{wanted}") from error


def from_toml(kind: type[T], folder: Path, name: str, environment: str, *, optional: bool = False) -> T:
    """`<folder>/<name>.toml` overlaid by its table in `<folder>/env/<environment>.toml`, as a struct.

    Args:
        optional: no such file is an empty one.

    Raises:
        ConfigError: naming file, line and what was expected.
    """
    path = folder / f"{name}.toml"
    overlay = folder / "env" / f"{environment}.toml"
    base = {} if optional and not path.exists() else _read(path)
    overlaid = _read(overlay) if overlay.exists() else {}
    for table in overlaid:
        if not (folder / f"{table}.toml").exists():
            raise ConfigError(f"{overlay}: [{table}] is laid over nothing: there is no {folder / table}.toml")
    over = overlaid.get(name, {})
    if not isinstance(over, dict):
        raise ConfigError(f"{overlay}: {name}: expected a table, got {over!r}")
    try:
        return msgspec.convert(_merged(base, over), kind)
    except msgspec.ValidationError as error:
        text = str(error)
        culprit = overlay if over and _complaint(kind, base) != text else path
        raise ConfigError(located(culprit, name, _with_choices(kind, text))) from error


def digest(folder: Path, names: Sequence[str], environment: str) -> str:
    """Of what `<folder>/<name>.toml` say together with their overlay: the same of two that differ only in comments and order of keys.
    A file that is not there says nothing.

    Raises:
        ConfigError: a file cannot be read.
    """
    overlay = folder / "env" / f"{environment}.toml"
    over = _read(overlay) if overlay.exists() else {}
    there = [name for name in names if (folder / f"{name}.toml").exists()]
    tables = {name: _merged(_read(folder / f"{name}.toml"), over.get(name, {})) for name in there}
    return hashlib.blake2b(msgspec.json.encode(tables, order="sorted"), digest_size=8).hexdigest()


def _with_choices(kind: type[Any], complaint: str) -> str:
    """The complaint; of a word that is none of several, with those that it may be."""
    what, at, where = complaint.partition(" - at `$")
    if "Invalid enum value" not in what:
        return complaint
    found: object = inspect.type_info(kind)
    for key in re.findall(r"\.(\w+)", where):
        while isinstance(found, inspect.ListType):
            found = found.item_type
        fields = found.fields if isinstance(found, inspect.StructType) else ()
        found = next((field.type for field in fields if field.encode_name == key), None)
    kinds = found.types if isinstance(found, inspect.UnionType) else (found,)
    words = sorted(str(word) for one in kinds if isinstance(one, inspect.LiteralType) for word in one.values)
    return f"{what}, expected one of {', '.join(words)}{at}{where}" if words else complaint


def _complaint(kind: type[Any], data: Mapping[str, Any]) -> str | None:
    try:
        msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        return str(error)
    return None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _merged(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`: tables are merged, everything else is replaced."""
    return base | {k: _merged(base[k], v) if isinstance(v, dict) and isinstance(base.get(k), dict) else v for k, v in over.items()}


def located(path: Path, name: str, message: str) -> str:
    """A msgspec complaint with the line it is about: `$.strategy[1].allocation` is in the second `[[strategy]]`.

    In an overlay the tables of `name` carry it: `[[strategies.strategy]]`.
    """
    what, _, where = message.partition(" - at `$")
    keys = re.findall(r"\.(\w+)", where)
    lines = path.read_text().splitlines()
    first, last = _table(lines, name, keys[0], where) if keys else (0, len(lines))
    field = re.search(r"field `(\w+)`", what)
    key = field.group(1) if field else keys[-1] if keys else ""
    at = next((n for n in range(first, last) if re.match(rf"\s*{key}\s*=", lines[n])), first)
    value = f" ({lines[at].strip()})" if lines else ""
    return f"{path}, line {at + 1}: {what}{value}"


def _table(lines: Sequence[str], name: str, table: str, where: str) -> tuple[int, int]:
    """The lines of the table that `where` begins with, and of tables within it; the whole file when it is a plain key."""
    head = rf"(?:{name}\.)?{table}"
    heads = [n for n, line in enumerate(lines) if re.match(rf"\s*\[\[?\s*{head}\s*\]", line)]
    index = re.match(r"\.\w+\[(\d+)\]", where)
    nth = int(index.group(1)) if index else 0
    if nth >= len(heads):
        return 0, len(lines)
    first = heads[nth]
    ends = (n for n in range(first + 1, len(lines)) if re.match(rf"\s*\[(?!\[?\s*{head}\.)", lines[n]))
    return first, next(ends, len(lines))
