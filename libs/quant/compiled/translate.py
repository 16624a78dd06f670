"""A strategy's own source as one module of functions that numba compiles: nothing is written again, only named and typed for it.

What a step reaches is gathered function by function: folds of indicators, rules of other strategies, NamedTuples, numbers. Lists become
arrays. What machine numbers do otherwise than Python's is asked of `machine.py` instead: whole numbers that would wrap round, powers that
a compiler simplifies, minima and maxima of NaN. What cannot be told that way is refused, and the strategy runs as it is.
"""

import ast
import builtins
import inspect
import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Final

_KEPT: Final = frozenset({"len", "range", "abs", "float", "bool", "enumerate", "zip", "round"})
_ASKED: Final = {"int": "whole", "sum": "total_of", "list": "copied"}
"""Builtins that are asked of `machine.py`, and what they are called there."""

_UNKNOWN: Final = (
    *(ast.Dict, ast.Set, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
    *(ast.Lambda, ast.JoinedStr, ast.Try, ast.With, ast.Match, ast.Global, ast.Nonlocal, ast.Yield, ast.YieldFrom, ast.FunctionDef),
)

HEADER: Final = """from collections import namedtuple
from math import inf, nan
import math

import numpy as np

from libs.quant.compiled import machine
from libs.quant.compiled.jit import {how} as compiled
"""


class Untranslatable(Exception):
    """The source has something that is not compiled; the message says what and where."""


class Translation:
    """One module in the making. Names are those of the source, with a number where several are alike."""

    def __init__(self) -> None:
        self.classes: dict[type[Any], str] = {}
        self._functions: dict[Callable[..., Any], str] = {}
        self._written: list[str] = []
        self._names: set[str] = set(dir(builtins)) | {"math", "np", "machine", "compiled", "inf", "nan", "namedtuple"}

    def function(self, function: Callable[..., Any]) -> str:
        """What a function is called in the module; it is there with all that it reaches.

        Raises:
            Untranslatable: it cannot be told in numba's Python.
        """
        if function not in self._functions:
            if not isinstance(function, FunctionType):
                raise Untranslatable(f"{function!r} is no function of ours")
            name = self._functions[function] = self._free(f"{function.__module__.rpartition('.')[2]}_{function.__name__}")
            self._written.append(_Function(self, function, name).text())
        return self._functions[function]

    def namedtuple(self, kind: type[Any]) -> str:
        """What a class of NamedTuples is called in the module."""
        if kind not in self.classes:
            self.classes[kind] = self._free(f"{kind.__module__.rpartition('.')[2]}_{kind.__name__}")
        return self.classes[kind]

    def text(self, main: str) -> str:
        """The module, with `main` at its end."""
        classes = [f'{name} = namedtuple("{name}", {list(kind._fields)})' for kind, name in self.classes.items()]
        body = "\n\n\n".join(["\n".join(classes), *self._written, main.strip()])
        makes_arrays = "np.array(" in body or "machine.copied(" in body
        return HEADER.format(how="compiled" if makes_arrays else "lean") + "\n" + body + "\n"

    def _free(self, wanted: str) -> str:
        name, n = wanted, 1
        while name in self._names:
            n += 1
            name = f"{wanted}_{n}"
        self._names.add(name)
        return name


class _Function(ast.NodeTransformer):
    """One function on its way."""

    def __init__(self, module: Translation, function: FunctionType, name: str) -> None:
        self._module = module
        self._function = function
        self._name = name
        known = inspect.getclosurevars(function)
        self._outside: Mapping[str, Any] = {**known.globals, **known.nonlocals}
        self._inside = {*function.__code__.co_varnames, *function.__code__.co_cellvars}

    def text(self) -> str:
        """Its definition."""
        (node,) = ast.parse(textwrap.dedent(inspect.getsource(self._function))).body
        if not isinstance(node, ast.FunctionDef):
            raise self._refused(node, "it is no plain function")
        node.name, node.decorator_list, node.returns = self._name, [], None
        for argument in [*node.args.args, *node.args.kwonlyargs]:
            argument.annotation = None
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        node.body = [self.visit(statement) for statement in node.body]
        return "@compiled\n" + ast.unparse(ast.fix_missing_locations(node))

    def _refused(self, node: ast.AST, why: str) -> Untranslatable:
        file = inspect.getsourcefile(self._function) or "?"
        line = self._function.__code__.co_firstlineno + getattr(node, "lineno", 1) - 1
        return Untranslatable(f"{file.rpartition('/libs/')[2] and 'libs/' + file.rpartition('/libs/')[2]}:{line}: {why}")

    # --- names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if isinstance(node.ctx, ast.Load) and node.id not in self._inside:
            return self._said(node, self._value(node))
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        value = self._of_module(node)
        if value is not None:
            return self._said(node, value)
        node.value = self.visit(node.value)
        return node

    def _of_module(self, node: ast.Attribute) -> Any:
        """What `module.name` is; None where it is an attribute of something else."""
        if isinstance(node.value, ast.Name) and node.value.id not in self._inside:
            holder = self._outside.get(node.value.id)
            if isinstance(holder, ModuleType) or (holder is not None and not isinstance(holder, tuple) and hasattr(holder, "step")):
                return getattr(holder, node.attr)
        return None

    def _value(self, node: ast.Name) -> Any:
        if node.id in self._outside:
            return self._outside[node.id]
        if hasattr(builtins, node.id):
            return getattr(builtins, node.id)
        raise self._refused(node, f"{node.id} is not known")

    def _said(self, node: ast.expr, value: Any) -> ast.expr:
        """How a value from outside is written in the module."""
        if isinstance(value, bool | int):
            return ast.Constant(value)
        if isinstance(value, float):
            return ast.Name(repr(value), ast.Load()) if not math.isfinite(value) and value > 0 or value != value else ast.Constant(value)
        if isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "_fields"):
            return ast.Name(self._module.namedtuple(value), ast.Load())
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            parts = [self._said(node, part) for part in value]
            return ast.Call(ast.Name(self._module.namedtuple(type(value)), ast.Load()), parts, [])
        if isinstance(value, FunctionType):
            return ast.Name(self._module.function(value), ast.Load())
        if isinstance(value, BuiltinFunctionType) and value.__module__ == "math":
            return ast.Attribute(ast.Name("math", ast.Load()), value.__name__, ast.Load())
        name = getattr(value, "__name__", "")
        if value is getattr(builtins, name, None):
            if name in _KEPT:
                return ast.Name(name, ast.Load())
            if name in _ASKED:
                return _asked(_ASKED[name])
        raise self._refused(node, f"{ast.unparse(node)} cannot be compiled")

    # --- statements and expressions

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        if node.value is None:
            return ast.Pass()
        return ast.Assign([self.visit(node.target)], self.visit(node.value))

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        node.value = self.visit(node.value)
        node.targets = [self.visit(target) for target in node.targets]
        for target in node.targets:
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Name) and 2 <= len(target.elts) <= 4:
                node.value = ast.Call(_asked(f"parts{len(target.elts)}"), [node.value], [])
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        if isinstance(node.op, ast.Mult | ast.Pow):
            read = ast.parse(ast.unparse(node.target), mode="eval").body
            return self.visit(ast.copy_location(ast.Assign([node.target], ast.BinOp(read, node.op, node.value)), node))
        return self.generic_visit(node)  # type: ignore[return-value]

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        left, right = self.visit(node.left), self.visit(node.right)
        if isinstance(node.op, ast.Mult):
            return ast.Call(_asked("times"), [left, right], [])
        if isinstance(node.op, ast.Pow):
            return ast.Call(_asked("power"), [left, right], [])
        node.left, node.right = left, right
        return node

    def visit_List(self, node: ast.List) -> ast.expr:
        if not isinstance(node.ctx, ast.Load):
            raise self._refused(node, "a list is assigned to")
        array = ast.Attribute(ast.Name("np", ast.Load()), "array", ast.Load())
        return ast.Call(array, [ast.List([self.visit(part) for part in node.elts], ast.Load())], [])

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if isinstance(node.func, ast.Name) and node.func.id in ("min", "max") and node.func.id not in self._inside:
            if not 2 <= len(node.args) <= 3 or node.keywords:
                raise self._refused(node, "of min and max those of two or three numbers are compiled")
            name = f"{'least' if node.func.id == 'min' else 'most'}{len(node.args)}"
            return ast.Call(_asked(name), [self.visit(argument) for argument in node.args], [])
        return self.generic_visit(node)  # type: ignore[return-value]

    def visit_Raise(self, node: ast.Raise) -> ast.stmt:
        """The message is lost: the event path says it."""
        return ast.Raise(ast.Call(ast.Name("ValueError", ast.Load()), [], []), None)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Whatever has no translation of its own keeps its form, if numba knows it."""
        if isinstance(node, _UNKNOWN):
            raise self._refused(node, f"{ast.unparse(node)[:60]} cannot be compiled")
        return super().generic_visit(node)


def _asked(name: str) -> ast.expr:
    return ast.Attribute(ast.Name("machine", ast.Load()), name, ast.Load())


MAIN: Final = '''
@compiled
def run(state, last, params, opens, highs, lows, closes, volumes, rows, targets):
    """A piece of the bars: (state after it, last target, how many targets were news, row of a target that is none, or -1)."""
    count = 0
    for n in range(len(closes)):
        state, target = {step}(state, {bar}(opens[n], highs[n], lows[n], closes[n], volumes[n]), params)
        if target != last and target == target:
            if not -1.0 <= target <= 1.0:
                return state, last, count, n
            rows[count] = n
            targets[count] = target
            count += 1
            last = target
    return state, last, count, -1
'''


def module_of(step: Callable[..., Any], bar: type[Any], kinds: Sequence[type[Any]]) -> tuple[str, Mapping[type[Any], str]]:
    """(source of a module whose `run` folds bars in, what its classes of NamedTuples are called).

    Args:
        step: of a strategy of one symbol.
        bar: what it sees of a bar.
        kinds: classes of its parameters, and of its state and what is in it.

    Raises:
        Untranslatable: it has to run as it is.
    """
    module = Translation()
    for kind in (bar, *kinds):
        module.namedtuple(kind)
    main = MAIN.format(step=module.function(step), bar=module.namedtuple(bar))
    return module.text(main), module.classes
