"""The arrays of a desk, for compiled functions: made anew from address and length wherever they are asked for, which costs nothing.

Nobody counts references to them, which would take longer than what is done with them: the `Desk` has to live as long.
"""

from typing import Any

from llvmlite import ir
from numba import carray
from numba.core import types
from numba.extending import intrinsic

from libs.quant.compiled.jit import compiled
from libs.quant.compiled.layout import BAR, BOOK, FILL, GUARD, HALT, NUMBER, ORDER, REFUSAL, SIGNAL, SYMBOL, WHOLE


@intrinsic  # type: ignore[untyped-decorator]
def _pointer(typing_context: Any, address: Any) -> Any:
    """(typing, code) of an address as a pointer."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], ir.IntType(8).as_pointer())

    return types.voidptr(types.int64), generate


@compiled
def bars(desk: Any) -> Any:
    return carray(_pointer(desk.bars_at), (desk.bars_room,), BAR)


@compiled
def starts(desk: Any) -> Any:
    return carray(_pointer(desk.starts_at), (desk.starts_room,), WHOLE)


@compiled
def closes(desk: Any) -> Any:
    return carray(_pointer(desk.closes_at), (desk.closes_room,), NUMBER)


@compiled
def known(desk: Any) -> Any:
    return carray(_pointer(desk.known_at), (desk.known_room,), WHOLE)


@compiled
def days(desk: Any) -> Any:
    return carray(_pointer(desk.days_at), (desk.days_room,), WHOLE)


@compiled
def session_opens(desk: Any) -> Any:
    return carray(_pointer(desk.session_opens_at), (desk.session_opens_room,), WHOLE)


@compiled
def session_closes(desk: Any) -> Any:
    return carray(_pointer(desk.session_closes_at), (desk.session_closes_room,), WHOLE)


@compiled
def calendars(desk: Any) -> Any:
    return carray(_pointer(desk.calendars_at), (desk.calendars_room,), WHOLE)


@compiled
def of_symbol(desk: Any) -> Any:
    return carray(_pointer(desk.of_symbol_at), (desk.of_symbol_room,), WHOLE)


@compiled
def symbols(desk: Any) -> Any:
    return carray(_pointer(desk.symbols_at), (desk.symbols_room,), SYMBOL)


@compiled
def books(desk: Any) -> Any:
    return carray(_pointer(desk.books_at), (desk.books_room,), BOOK)


@compiled
def signals(desk: Any) -> Any:
    return carray(_pointer(desk.signals_at), (desk.signals_room,), SIGNAL)


@compiled
def orders(desk: Any) -> Any:
    return carray(_pointer(desk.orders_at), (desk.orders_room,), ORDER)


@compiled
def guards(desk: Any) -> Any:
    return carray(_pointer(desk.guards_at), (desk.guards_room,), GUARD)


@compiled
def fills(desk: Any) -> Any:
    return carray(_pointer(desk.fills_at), (desk.fills_room,), FILL)


@compiled
def refusals(desk: Any) -> Any:
    return carray(_pointer(desk.refusals_at), (desk.refusals_room,), REFUSAL)


@compiled
def halts(desk: Any) -> Any:
    return carray(_pointer(desk.halts_at), (desk.halts_room,), HALT)


@compiled
def open_orders(desk: Any) -> Any:
    return carray(_pointer(desk.open_orders_at), (desk.open_orders_room,), WHOLE)


@compiled
def waiting_books(desk: Any) -> Any:
    return carray(_pointer(desk.waiting_books_at), (desk.waiting_books_room,), WHOLE)


@compiled
def killed(desk: Any) -> Any:
    return carray(_pointer(desk.killed_at), (desk.killed_room,), WHOLE)


@compiled
def batch_orders(desk: Any) -> Any:
    return carray(_pointer(desk.batch_orders_at), (desk.batch_orders_room,), WHOLE)


@compiled
def cancels(desk: Any) -> Any:
    return carray(_pointer(desk.cancels_at), (desk.cancels_room,), WHOLE)


@compiled
def meeting(desk: Any) -> Any:
    return carray(_pointer(desk.meeting_at), (desk.meeting_room,), WHOLE)


@compiled
def ranks(desk: Any) -> Any:
    return carray(_pointer(desk.ranks_at), (desk.ranks_room,), WHOLE)


@compiled
def sums(desk: Any) -> Any:
    return carray(_pointer(desk.sums_at), (desk.sums_room,), NUMBER)


@compiled
def seen(desk: Any) -> Any:
    return carray(_pointer(desk.seen_at), (desk.seen_room,), NUMBER)
