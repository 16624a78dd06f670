"""`STATE_DIR/kill`: the kill switch that needs no server. trade_executor obeys it within 200 ms, and puts it on record when it can."""

import os
from pathlib import Path
from typing import Final

from libs.common.settings import ConfigError
from libs.domain.kill import FileKill, with_kill, without

NAME: Final = "kill"


def add(state: Path, kill: FileKill) -> Path:
    """Orders this in the file too; where it is.

    Raises:
        ConfigError: there is no such folder, or nothing can be written there.
    """
    path = state / NAME
    try:
        _write(path, with_kill(text(state), kill))
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}; an empty file of that name in the STATE_DIR of trade_executor halts the fleet: make it by hand"
        ) from error
    return path


def lift(state: Path, scope: str, key: str) -> None:
    """Takes a scope out of the file, and the file away when nothing is left in it.

    Raises:
        ConfigError: it cannot be changed.
    """
    path, found = state / NAME, text(state)
    if found is None:
        return
    try:
        left = without(found, scope, key)
        if left is None:
            path.unlink(missing_ok=True)
        elif left != found:
            _write(path, left)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; what it stops stays stopped until it says so no more") from error


def text(state: Path) -> str | None:
    """What the file says; None when there is none."""
    try:
        return (state / NAME).read_text(errors="replace")
    except FileNotFoundError:
        return None


def _write(path: Path, text: str) -> None:
    """As a whole or not at all: a half-written line would halt the fleet."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.write_text(text)
    new.replace(path)
