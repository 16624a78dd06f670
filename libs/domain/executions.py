"""How a large order is worked, as configuration and `Order.execution` spell it: `twap:SECONDS:SLICES`, `vwap:SECONDS:SLICES`,
`iceberg:DISPLAY` or `iceberg:DISPLAY:SECONDS`."""

from decimal import Decimal, InvalidOperation
from typing import Final, Literal, NamedTuple

from libs.domain.identity import SLICES

_SECOND: Final = 1_000_000_000
_LONGEST_S: Final = 7 * 24 * 3600
EXPECTED: Final = (
    f"twap:SECONDS:SLICES or vwap:SECONDS:SLICES (2 to {SLICES} slices of a second or more each, within a week) or iceberg:DISPLAY with a"
    " quantity above 0"
)


class Execution(NamedTuple):
    """`twap` and `vwap` spread the quantity over `seconds` of market time; `iceberg` shows `display` of it at a time.

    `slices` is 0 of an iceberg: it has as many as it takes. `seconds` is 0 where an iceberg lives as long as any other order.
    """

    kind: Literal["twap", "vwap", "iceberg"]
    seconds: int
    slices: int
    display: Decimal

    @property
    def takes_ns(self) -> int:
        """Market time that the schedule takes, ns: an order worked so lives that much longer than one that is sent whole."""
        return self.seconds * _SECOND


def execution_of(text: str) -> Execution:
    """The way of working that a text names.

    Raises:
        ValueError: it names none; the message says what was expected.
    """
    kind, *rest = text.split(":")
    if kind in ("twap", "vwap") and len(rest) == 2:
        seconds, slices = map(_whole, rest)
        if seconds <= _LONGEST_S and 2 <= slices <= min(SLICES, seconds):
            return Execution("twap" if kind == "twap" else "vwap", seconds, slices, Decimal(0))
    if kind == "iceberg" and len(rest) in (1, 2):
        display, seconds = _quantity(rest[0]), _whole(rest[1]) if len(rest) == 2 else 0
        if display and (len(rest) == 1 or 1 <= seconds <= _LONGEST_S):
            return Execution("iceberg", seconds, 0, display)
    raise ValueError(f"expected {EXPECTED}, got {text!r}")


def takes_ns(execution: str) -> int:
    """Market time that working an order so takes, ns; 0 of one that is sent whole (""). ValueError as `execution_of`."""
    return execution_of(execution).takes_ns if execution else 0


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _quantity(text: str) -> Decimal | None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() and 0 < value < Decimal(10) ** 15 else None
