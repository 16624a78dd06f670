"""What a person's files say beside the bars: splits and dividends, and the funding of perpetuals."""

from collections.abc import Collection
from decimal import Decimal
from pathlib import Path
from typing import Final

from libs.domain.actions import CorporateAction
from libs.domain.funding import FundingRate
from libs.venues.bar_cells import TIMES
from libs.venues.side_cells import Sheet

_KINDS: Final = ("split", "dividend")
_MOST: Final = Decimal("0.1")
"""Of a notional that is ever paid at once as funding. A larger figure is of per cent."""


def read_actions(path: Path, venue: str) -> list[CorporateAction]:
    """Splits and dividends out of a .csv or .parquet file with the columns symbol, effective, kind, ratio and cash.

    `effective` (or `date`) is the first day at whose prices it shows, from 00:00 UTC on, or the very moment. `ratio` is of a
    split: new units for each old one. `cash` is of a dividend: paid for each unit held before, in the currency of the prices.

    Raises:
        BadData: the file cannot be read, or a row makes no sense; every fault is named with row and column.
    """
    sheet = Sheet(path, ("effective", "date", "timestamp"), ("symbol", "kind"), ("ratio", "cash"))
    found, rows = [], []
    for row in sheet:
        kind, ratio, cash = row.cells["kind"], sheet.number(row, "ratio"), sheet.number(row, "cash")
        if kind not in _KINDS:
            sheet.fault(row, "kind", "kind", " or ".join(_KINDS))
        if kind == "split":
            if ratio is None or ratio <= 0 or ratio == 1:
                sheet.fault(row, "ratio", "ratio", "new units for each old one, above 0 and not 1")
            if cash:
                sheet.fault(row, "cash", "cash", "nothing: a split pays none")
        if kind == "dividend":
            if cash is None or cash <= 0:
                sheet.fault(row, "cash", "cash", "an amount for each unit, above 0")
            if ratio not in (None, 0, 1):
                sheet.fault(row, "ratio", "ratio", "nothing: a dividend changes no units")
        rows.append(row)
        found.append((sheet.symbol(row), row.at, kind, ratio, cash))
    sheet.twice([each[:3] for each in found], rows, "each action once")
    sheet.refuse()
    return [
        CorporateAction(venue=venue, symbol=symbol, effective=at, kind="split", ratio=ratio or Decimal(1))
        if kind == "split"
        else CorporateAction(venue=venue, symbol=symbol, effective=at, kind="dividend", cash=cash or Decimal(0))
        for symbol, at, kind, ratio, cash in sorted(found, key=lambda each: (each[1], each[0], each[2]))
    ]


def read_funding(path: Path, symbols: Collection[str]) -> dict[str, list[FundingRate]]:
    """Funding rates by symbol, ascending, out of a .csv or .parquet file with the columns timestamp, symbol and funding_rate.

    `funding_rate` is a share of the notional, as venues record it: 0.0001 is 0.01 %.

    Args:
        symbols: of the bars; where they are one, the file needs no column symbol.

    Raises:
        BadData: as `read_actions`.
    """
    alone = next(iter(symbols)) if len(symbols) == 1 else None
    sheet = Sheet(path, TIMES, ("funding_rate",) if alone else ("funding_rate", "symbol"), ("symbol",) if alone else ())
    found, rows = [], []
    for row in sheet:
        rate = sheet.number(row, "funding_rate")
        if rate is None or abs(rate) > _MOST:
            sheet.fault(row, "funding_rate", "rate", f"a share of the notional such as 0.0001 for 0.01 %, at most {_MOST}")
        name = sheet.symbol(row) if "symbol" in row.cells or alone is None else alone
        rows.append(row)
        found.append(FundingRate(name, row.at, (rate or Decimal(0)) * 100))
    sheet.twice([each[:2] for each in found], rows, "each payment of a symbol once")
    sheet.refuse()
    by_symbol: dict[str, list[FundingRate]] = {}
    for each in sorted(found, key=lambda each: each.at):
        by_symbol.setdefault(each.symbol, []).append(each)
    return by_symbol
