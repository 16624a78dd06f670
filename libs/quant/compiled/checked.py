"""What a processor does in one step and Python has no word for: whole numbers that say when they wrap round, a product rounded once."""

from typing import Any

from numba.core import types
from numba.extending import intrinsic

BOTH = types.Tuple((types.int64, types.boolean))  # type: ignore[attr-defined]


def _with_overflow(name: str) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def asked(typing_context: Any, a: Any, b: Any) -> Any:
        """(typing, code) of (result, whether it has more than 63 bits and a sign)."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            found = getattr(builder, name)(*args)
            return context.make_tuple(builder, signature.return_type, [builder.extract_value(found, n) for n in range(2)])

        return BOTH(types.int64, types.int64), generate

    return asked


multiplied = _with_overflow("smul_with_overflow")
added = _with_overflow("sadd_with_overflow")


@intrinsic  # type: ignore[untyped-decorator]
def fused(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """(typing, code) of a * b + c, rounded once."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fma(*args)

    return types.float64(types.float64, types.float64, types.float64), generate
