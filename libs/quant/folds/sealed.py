"""Whether anything but its arguments reaches a fold: read from the code of `init`, `step` and the functions they call by name.

No file, clock, chance or call stack, no memory outside the state, no data brought along. What is called through an object is
not followed, and who means to deceive will find a way past: this is for what people do by mistake or for convenience.
"""

import dis
import sys
import sysconfig
from collections.abc import Iterator, Sequence, Sized
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final, NamedTuple

from libs.quant.folds.contract import Strategy

PURE: Final = frozenset(
    "bisect builtins cmath collections decimal fractions functools heapq itertools libs math operator statistics typing".split()
)
"""Packages that a fold may call."""
IMPURE: Final = frozenset("breakpoint compile eval exec globals input locals open vars __import__".split())
"""Builtins that it may not."""
STACK: Final = frozenset("f_back f_builtins f_globals f_locals gi_frame tb_frame __closure__ __globals__ __traceback__".split())
"""Attributes by which code gets hold of what its caller holds."""
LONGEST_CONSTANT: Final = 64


class Leak(NamedTuple):
    """Where something else reaches a fold."""

    file: str
    line: int
    what: str


@cache
def is_ours(file: str) -> bool:
    """Code of strategies and what they are made of: not of the interpreter, an installed library or the folds' own machinery."""
    here, quant = __file__.removesuffix("sealed.py"), __file__.removesuffix("folds/sealed.py")
    installed = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    return not file.startswith(here) and (file.startswith(quant) or not file.startswith(("<", *installed)))


def leak(strategy: Strategy) -> Leak | None:
    """The first leak, None when there is none."""
    waiting: list[Any] = [strategy.init, strategy.step]
    done = set()
    while waiting:
        function = waiting.pop()
        if function in done or not isinstance(function, FunctionType) or not is_ours(function.__code__.co_filename):
            continue
        done.add(function)
        for use in _uses(function):
            if use.fault is not None:
                return Leak(function.__code__.co_filename, use.line, use.fault)
            if callable(use.value):
                waiting.append(getattr(use.value, "__wrapped__", use.value))
    return None


class _Use(NamedTuple):
    line: int
    value: Any = None
    fault: str | None = None


def _uses(function: FunctionType) -> Iterator[_Use]:
    """What the code of a function touches that it was not given, as it stands there."""
    code = function.__code__
    around = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
    for instruction, following in _instructions(code):
        name = str(instruction.argval)
        line = (instruction.positions and instruction.positions.lineno) or code.co_firstlineno
        match instruction.opname:
            case "LOAD_GLOBAL" | "LOAD_NAME" if name in function.__globals__:
                whole = function.__globals__[name]
                name, value = _member(name, whole, following)
                yield _Use(line, value, _foreign(name, whole) or _foreign(name, value) or _changing(name, value))
            case "LOAD_GLOBAL" | "LOAD_NAME" if name in IMPURE:
                yield _Use(line, fault=f"it calls {name}()")
            case "LOAD_DEREF" if name in around:
                value = around[name].cell_contents
                yield _Use(line, value, _long(name, value) or _foreign(name, value))
            case "LOAD_ATTR" | "LOAD_METHOD" if name in STACK:
                yield _Use(line, fault=f"it reads {name}")
            case "IMPORT_NAME" if name.partition(".")[0] not in PURE:
                yield _Use(line, fault=f"it imports {name}")
            case "STORE_GLOBAL" | "STORE_ATTR":
                yield _Use(line, fault=f"it sets {name}, which is not part of the state")
            case "STORE_DEREF" if name in around:
                yield _Use(line, fault=f"it sets {name}, which is not part of the state")


def _instructions(code: CodeType) -> Iterator[tuple[dis.Instruction, Sequence[dis.Instruction]]]:
    """Each instruction and those after it, of the functions and comprehensions within as well."""
    instructions = list(dis.get_instructions(code))
    for at, instruction in enumerate(instructions):
        yield instruction, instructions[at + 1 : at + 4]
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _instructions(inner)


def _member(name: str, value: Any, following: Sequence[dis.Instruction]) -> tuple[str, Any]:
    """What is taken from a module rather than the module: `sma.step`."""
    for instruction in following:
        if not (isinstance(value, ModuleType) and instruction.opname in ("LOAD_ATTR", "LOAD_METHOD")):
            break
        name, value = f"{name}.{instruction.argval}", getattr(value, instruction.argval, None)
    return name, value


def _foreign(name: str, value: Any) -> str | None:
    """Fault of a module, function or class of a library that is not known to be pure."""
    if isinstance(value, ModuleType):
        return None if _is_known(value.__name__) else f"it uses {name}"
    if callable(value):
        module = getattr(value, "__module__", None) or type(getattr(value, "__self__", value)).__module__
        return None if _is_known(module) else f"it uses {name}"
    return None


def _is_known(module: str) -> bool:
    return module.partition(".")[0].lstrip("_") in PURE or is_ours(getattr(sys.modules.get(module), "__file__", None) or "<")


def _changing(name: str, value: Any) -> str | None:
    """Fault of a global that holds something other than a constant."""
    if isinstance(value, int | float | complex | str | bytes | ModuleType | Strategy | None) or callable(value):
        return None
    if isinstance(value, tuple | frozenset):
        return _long(name, value)
    return f"it uses {name}, a {type(value).__name__} of its module"


def _long(name: str, value: Any) -> str | None:
    """Fault of a series of data or of an iterator, which may be one."""
    if isinstance(value, Iterator) or (isinstance(value, Sized) and not isinstance(value, type) and len(value) > LONGEST_CONSTANT):
        return f"it holds {name}, a {type(value).__name__} of data"
    return None
