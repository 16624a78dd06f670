"""Machine code for backtests: made once for each release, strategy and machine, kept in a folder, and read back by later processes."""

import hashlib
import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from math import nan
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from libs.quant.folds.contract import BarView
from libs.quant.folds.fold import Fold

if TYPE_CHECKING:  # whoever imports these pays for numba
    import numpy as np
    from numpy.typing import NDArray

    from libs.quant.compiled.spoken import Folding

COMPILED: Final = "compiled"
"""The folder of machine code within the state folder."""
MADE: Final = "made"
PIECE: Final = 2**18
"""Bars of a fold at a time, at most: an account can be played over the ones before meanwhile."""
FIRST_PIECE: Final = 2**14
"""The account waits for the first ones; each piece has twice as many as the one before."""
SOURCES: Final = Path(__file__).parents[2] / "libs" / "quant" / "compiled"


class NotCompiled(Exception):
    """There is no machine code for it; the message says why."""


class Compiler:
    """One folder of machine code."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        """
        Args:
            folder: where code of this and other releases is kept; made where it is missing.
            say: tells a person what takes long.

        Raises:
            NotCompiled: numba is not installed, or the folder cannot be written.
        """
        try:
            import llvmlite
            import numba
        except ImportError as error:
            raise NotCompiled(f"{error.name} is not installed: pip install 'tradewinds[backtester]'") from error
        self._folder = folder / _release(f"{sys.version}|{numba.__version__}|{llvmlite.__version__}")
        self._say = say
        self.made = (self._folder / MADE).exists()
        """Whether the account's own code lies there already."""
        try:
            if not self._folder.exists():
                _forget_others(folder)
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NotCompiled(f"{self._folder}: {error.strerror}") from error
        numba.config.CACHE_DIR = str(self._folder)  # before a function is decorated, which looks for its place then

    def desk(self) -> None:
        """Says that the account's own code is being made, where it is."""
        if not self.made:
            self._say("compiling the account, once for this release: half a minute")

    def done(self) -> None:
        """The account's own code lies there now."""
        if not self.made:
            (self._folder / MADE).touch()

    def fold(self, fold: Fold) -> "Folding":
        """A compiled fold at its beginning.

        Raises:
            NotCompiled: its source, or what it needs, cannot be compiled.
        """
        from libs.quant.compiled.translate import Untranslatable

        if not fold.alone:
            why = "a panel" if fold.strategy.panel else "sized by volatility, or over corporate actions"
            raise NotCompiled(f"{fold.strategy_id} is {why}")
        strategy, params = fold.strategy, fold.params
        state = strategy.init(params)
        try:
            source, names = _translated(strategy.step, tuple(_kinds(params, _kinds(state, []))))
        except Untranslatable as error:
            raise NotCompiled(f"{fold.strategy_id}: {error}") from error
        module = self._module(strategy.name, source)

        def folding(*prices: "NDArray[np.float64]") -> "Iterator[tuple[NDArray[np.int64], NDArray[np.float64], int]]":
            import numpy as np

            now, its, last = _plain(state, module, names), _plain(params, module, names), nan
            most = min(PIECE, len(prices[3]))
            rows, targets = np.empty(most, np.int64), np.empty(most)
            done, length = 0, min(PIECE, FIRST_PIECE)
            while True:
                first, done = done, min(done + length, len(prices[3]))
                length = min(2 * length, PIECE)
                piece = [column[first:done] for column in prices]
                now, last, count, wrong = module.run(now, last, its, *piece, rows, targets)
                if wrong >= 0:
                    raise ValueError(f"row {first + wrong + 1}: no target")
                yield rows[:count] + first, targets[:count].copy(), done
                if done == len(prices[3]):
                    return

        return folding

    def _module(self, name: str, source: str) -> ModuleType:
        digest = hashlib.blake2b(source.encode(), digest_size=8).hexdigest()
        path = self._folder / f"{name}_{digest}.py"
        if not path.exists():
            self._say(f"compiling {name}, once: a few seconds")
            written = path.with_suffix(".new")
            written.write_text(source)
            written.replace(path)
        title = f"tradewinds_compiled_{name}_{digest}"
        if title not in sys.modules:
            spec = importlib.util.spec_from_file_location(title, path)
            assert spec is not None
            assert spec.loader is not None, "it is a file of Python"
            module = importlib.util.module_from_spec(spec)
            sys.modules[title] = module
            spec.loader.exec_module(module)
        return sys.modules[title]


@cache
def _release(versions: str) -> str:
    """What the code of this release is called."""
    sources = b"".join(file.read_bytes() for file in sorted(SOURCES.glob("*.py")))
    return hashlib.blake2b(sources + versions.encode(), digest_size=8).hexdigest()


@cache
def _translated(step: Callable[..., Any], kinds: tuple[type[Any], ...]) -> tuple[str, Mapping[type[Any], str]]:
    """As `module_of`, once for each strategy: a search asks for every trial."""
    from libs.quant.compiled.translate import module_of

    return module_of(step, BarView, kinds)


def _forget_others(folder: Path) -> None:
    """Code of other releases: it is never read again."""
    for other in folder.glob("*"):
        shutil.rmtree(other, ignore_errors=True)


def _kinds(value: Any, found: list[type[Any]]) -> list[type[Any]]:
    """Classes of NamedTuples in a value, itself and what is in it."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        if type(value) not in found:
            found.append(type(value))
        for part in value:
            _kinds(part, found)
    return found


def _plain(value: Any, module: ModuleType, names: Mapping[type[Any], str]) -> Any:
    """A value as compiled code takes it: NamedTuples of the module's own classes, lists as arrays; copied."""
    import numpy as np

    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return getattr(module, names[type(value)])(*(_plain(part, module, names) for part in value))
    if isinstance(value, list):
        return np.array(value, np.int64 if value and all(isinstance(part, int) for part in value) else np.float64)
    return value
