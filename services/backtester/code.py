"""Which code decided: a fingerprint of everything whose change could change a result."""

import hashlib
import sys
from functools import cache
from pathlib import Path

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
    root = Path(libs.__path__[0])
    for part in _DECIDING:
        for file in sorted((root / part).rglob("*.py")):
            digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    for name in _RUNNING:
        digest.update(name.encode() + b"\0" + (Path(services.backtester.__path__[0]) / name).read_bytes())
    return digest.hexdigest()
