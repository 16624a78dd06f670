"""Asking memory for what will be needed soon, so that nothing waits for it then."""

from typing import Any, Final

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

LINE: Final = 64  # bytes that memory hands over at once


@intrinsic  # type: ignore[untyped-decorator]
def prefetched(typing_context: Any, address: Any) -> Any:
    """(typing, code) of asking for two lines at an address; it may be any: nothing is read."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bytes_, whole = ir.IntType(8).as_pointer(), ir.IntType(32)
        ask = builder.module.declare_intrinsic("llvm.prefetch", [bytes_], ir.FunctionType(ir.VoidType(), [bytes_, whole, whole, whole]))
        for line in (0, LINE):
            place = builder.inttoptr(builder.add(args[0], ir.Constant(ir.IntType(64), line)), bytes_)
            builder.call(ask, [place, *(ir.Constant(whole, n) for n in (0, 3, 1))])  # to be read, kept near, data
        return context.get_dummy_value()

    return types.none(types.int64), generate
