"""The engines beside ours, each in an environment of its own, and how a case is put to one."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from benchmarks.fleet import ROOT, Failed
from benchmarks.peers.casefile import Case, Result, Searched, read_result, read_searched, write_case
from benchmarks.peers.cases import market

OURS: Final = "tradewinds"
COMPILED: Final = "tradewinds_compiled"
"""The same bars through our compiled path."""
PEERS: Final = ("backtesting_py", "backtrader", "vectorbt", "nautilus_trader")
ENVIRONMENTS: Final = Path(__file__).parent / ".envs"
REQUIREMENTS: Final = Path(__file__).parent / "requirements"
WITHIN_S: Final = 900.0


def python_of(engine: str) -> Path:
    """The interpreter that has the engine."""
    return Path(sys.executable) if engine.startswith(OURS) else ENVIRONMENTS / engine / "bin" / "python"


def installed(engine: str) -> bool:
    """Whether `python -m benchmarks.peers.install` has made its environment."""
    return python_of(engine).exists()


def takes(engine: str, case: Case) -> bool:
    """Whether an engine can express a case; docs/engines-compared.md says why not."""
    return engine != "nautilus_trader" or not (case.gap or case.slippage_bps or case.stop_bps)


class Questions:
    """Cases laid out in a folder, so that every engine reads the same bytes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def lay_out(self, case: Case) -> None:
        """Draws the market of a case."""
        write_case(self._path(case), case, market(case))

    def ask(self, engine: str, case: Case, runs: int = 0) -> Result:
        """Has an engine run a case that was laid out, in a process of its own.

        Args:
            runs: how many are timed, after as many that are not; 0: one, as it comes.

        Raises:
            Failed: it did not answer; the message says what it said last.
        """
        return read_result(self._answer(engine, engine, case, runs))

    def search(self, engine: str, case: Case, runs: int) -> Searched:
        """Has an engine try every pair of means on a case that was laid out; as `ask`."""
        return read_searched(self._answer(engine, f"{engine}_pairs", case, runs))

    def _answer(self, engine: str, runner: str, case: Case, runs: int) -> Path:
        answer = self._folder / f"{case.name}.{runner}.result"
        command = [str(python_of(engine)), "-m", f"benchmarks.peers.runners.{runner}", str(self._path(case)), str(answer), str(runs)]
        # numba would otherwise lay its caches into the engine's package.
        given = os.environ | {"NUMBA_CACHE_DIR": str(self._folder), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=WITHIN_S, check=False)
        if done.returncode != 0:
            raise Failed(f"{runner} ended with {done.returncode} on the case {case.name}: {done.stderr[-800:]}")
        return answer

    def _path(self, case: Case) -> Path:
        return self._folder / f"{case.name}.json"
