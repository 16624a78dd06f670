"""Prints the part of constraints.txt that one extra of pyproject.toml needs, hashes and all, for `pip install --require-hashes`.

`python scripts/locked.py trade_executor`; without an extra, what every service needs. pip says which packages those are on
this Python and this machine, the lock says which version and which files: a package that it does not list is an error.
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def wanted(extra: str | None) -> list[str]:
    """Requirements as pyproject.toml has them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras: dict[str, list[str]] = project["optional-dependencies"]
    if extra is not None and extra not in extras:
        raise SystemExit(f"locked.py: pyproject.toml has no extra {extra!r}; there are: {', '.join(sorted(extras))}")
    return [*project["dependencies"], *(extras[extra] if extra else [])]


def locked() -> dict[str, str]:
    """Name to its lines in the lock: one version, or several with markers."""
    found: dict[str, str] = {}
    for block in re.findall(r"^[^#\s].*(?:\n[ \t].*)*", (ROOT / "constraints.txt").read_text(), re.MULTILINE):
        name = plain(re.split(r"[=\[ ;]", block, maxsplit=1)[0])
        found[name] = f"{found[name]}\n{block}" if name in found else block
    return found


def plain(name: str) -> str:
    """As packages are compared: PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(requirements: list[str], lock: dict[str, str]) -> set[str]:
    """The names pip would install here. It may look at the lock's versions only: hashes would make it refuse before it looks."""
    with tempfile.TemporaryDirectory() as folder:
        versions = Path(folder) / "versions.txt"
        versions.write_text(re.sub(r" \\\n\s+--hash=\S+", "", "\n".join(lock.values())))
        command = ["pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-", "-c", str(versions), *requirements]
        found = subprocess.run([sys.executable, "-m", *command], stdout=subprocess.PIPE, check=True).stdout
    return {plain(item["metadata"]["name"]) for item in json.loads(found)["install"]}


def main() -> None:
    lock = locked()
    names = needed(wanted(sys.argv[1] if len(sys.argv) > 1 else None), lock)
    if missing := names - lock.keys():
        raise SystemExit(f"locked.py: not in constraints.txt: {', '.join(sorted(missing))}; `make lock` puts them there")
    print("\n".join(lock[name] for name in sorted(names)))


if __name__ == "__main__":
    main()
