"""How functions of the compiled path are compiled: as Python means them, one by one, and kept for the next process.

No fast mathematics: nothing is reordered, fused or approximated, and a division by zero raises. Only what runs on a backtest's whole
length is compiled; whoever imports this pays for numba (0.2 s). While machine code runs, other threads of Python may.
"""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """The same function as machine code, made at its first call with arguments of a kind, or read back from the cache."""
    return cast(F, numba.njit(cache=True, error_model="python", nogil=True)(function))


def lean(function: F) -> F:
    """As `compiled`, of a function that makes no arrays: no references are counted, which in a short step is most of the work."""
    return cast(F, numba.njit(cache=True, error_model="python", nogil=True, _nrt=False)(function))


def wide(function: F) -> F:
    """As `compiled`, but a division by zero gives inf or NaN as numpy's does: a loop that cannot raise works on several numbers at once."""
    return cast(F, numba.njit(cache=True, error_model="numpy", nogil=True)(function))
