"""`python -m benchmarks.peers.install [ENGINE...]`: makes an environment for each engine, all when none is named.

Some hundred megabytes each. Nothing of ours is installed there, and nothing of theirs here.
"""

import shutil
import subprocess
import sys

from benchmarks.peers.engines import ENVIRONMENTS, PEERS, REQUIREMENTS


def install(engine: str) -> bool:
    """A new environment with the pinned requirements of an engine; none is left behind when that fails."""
    folder = ENVIRONMENTS / engine
    print(f"installing {engine} ...", flush=True)
    steps = (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--requirement", str(REQUIREMENTS / f"{engine}.txt")],
    )
    if all(subprocess.run(step, check=False).returncode == 0 for step in steps):
        return True
    shutil.rmtree(folder, ignore_errors=True)
    return False


def main() -> int:
    """Exit code: 0 all installed, 1 one could not be, 2 an unknown name."""
    asked = sys.argv[1:] or PEERS
    if unknown := [name for name in asked if name not in PEERS]:
        print(f"no engine {', '.join(unknown)}; there are: {', '.join(PEERS)}", file=sys.stderr)
        return 2
    failed = [engine for engine in asked if not install(engine)]
    if failed:
        print(f"could not be installed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
