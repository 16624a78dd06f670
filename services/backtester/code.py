"""Which code decided: a fingerprint of everything whose change could change a result."""

import hashlib
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import libs
import services.backtester

ENGINE = "event-1"
"""The way a tape is played. Raised when results may differ for equal code, data and configuration."""

_DECIDING = ("domain", "quant", "venues")
_RUNNING = ("beside.py", "data.py", "run.py", "spec.py")


@cache
def code_fingerprint() -> str:
    """Of the sources of domain, quant and the readers of data, and of the Python that runs them."""
    digest = hashlib.blake2b(f"python {sys.version_info.major}.{sys.version_info.minor}".encode(), digest_size=16)
    for name, source in _sources():
        digest.update(name.removeprefix("libs/").removeprefix("services/backtester/").encode() + b"\0" + source)
    return digest.hexdigest()


@cache
def code_parts() -> dict[str, str]:
    """A digest of each source file, of venues one for each folder: which of them changed between two backtests."""
    parts: dict[str, Any] = {"python": hashlib.blake2b(sys.version.split()[0].encode(), digest_size=4)}
    for name, source in _sources():
        part = name.rpartition("/")[0] if name.startswith("libs/venues/") else name
        parts.setdefault(part, hashlib.blake2b(digest_size=4)).update(source)
    return {name: digest.hexdigest() for name, digest in parts.items()}


def _sources() -> Iterator[tuple[str, bytes]]:
    root = Path(libs.__path__[0])
    for part in _DECIDING:
        for file in sorted((root / part).rglob("*.py")):
            yield f"libs/{file.relative_to(root).as_posix()}", file.read_bytes()
    for name in _RUNNING:
        yield f"services/backtester/{name}", (Path(services.backtester.__path__[0]) / name).read_bytes()
