"""What holding costs and pays in a backtest: the options that ask for it, and the line that tells of it."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from fleet.tables import change
from libs.quant.financing import Financing

_WORDS: Final = {
    "cash_interest": "interest on cash",
    "margin_interest": "interest on margin",
    "borrow": "borrowing",
    "funding": "funding",
    "income": "dividends and parts of lots",
}
KINDS: Final = (*_WORDS, "total")
"""Of the amounts that a result keeps under `financing`, in the order in which they are told."""


def financing(base: Mapping[str, Any], **rates: str | None) -> dict[str, Any] | None:
    """The rates of a base with those of the options laid over it; None when no option names one.

    Raises:
        ValueError: one is no rate; the message names the option.
    """
    given = {name: rate for name, rate in rates.items() if rate is not None}
    for name, rate in given.items():
        try:
            msgspec.convert({name: rate}, Financing, strict=False)
        except msgspec.ValidationError as error:
            raise ValueError(f"--{name.replace('_', '-')} {rate}: {str(error).partition(' - at ')[0]}, in per cent") from error
    return {**(base.get("financing") or {}), **given} if given else None


def carried_text(result: Mapping[str, Any]) -> list[str]:
    """One line of what holding earned and cost, to the cent; [] where it did neither."""
    sums = result.get("financing") or {}
    parts = [f"{_WORDS[name]} {change(sums[name])}" for name in _WORDS if round(sums.get(name, 0.0), 2)]
    return [f"holding     {change(sums['total'])} {result['currency']}: {', '.join(parts)}"] if parts else []
