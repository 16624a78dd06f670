"""A desk as compiled functions are handed it: by reference, one pointer, and not what two dozen arrays are made of."""

from numba.core import types
from numba.experimental import structref
from numba.experimental.structref import StructRefProxy

from libs.quant.compiled.layout import Desk, Market


@structref.register
class MarketType(types.StructRef):  # type: ignore[misc]
    """What numba calls a market."""


@structref.register
class DeskType(types.StructRef):  # type: ignore[misc]
    """What numba calls a desk."""


class MarketReference(StructRefProxy):  # type: ignore[misc]
    """To the columns of a market."""

    def __new__(cls, market: Market) -> "MarketReference":
        return StructRefProxy.__new__(cls, *market)  # type: ignore[no-any-return]


class DeskReference(StructRefProxy):  # type: ignore[misc]
    """To the rows of a desk: what is changed through it changes those."""

    def __new__(cls, desk: Desk) -> "DeskReference":
        _, *rows = desk
        return StructRefProxy.__new__(cls, MarketReference(desk.market), *rows)  # type: ignore[no-any-return]


structref.define_proxy(MarketReference, MarketType, list(Market._fields))
structref.define_proxy(DeskReference, DeskType, list(Desk._fields))
