"""Corporate actions of recorded US stocks, from the two files that lie beside their prices.

`events_derived.csv` (symbol, last_date_before_ex, type, value, reference_price) and `symbol_map.csv` (symbol, last_date,
ticker), both in `equities/corporate_actions`. Their `symbol` is one company for good; prices are kept under the ticker of
the day, which the map tells. They speak of the raw prices below `equities` and of no others.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Final, NamedTuple

from msgspec.structs import replace

from libs.domain.actions import CorporateAction
from libs.domain.times import nanoseconds
from libs.quant.calendars import next_open
from libs.venues.replay.dataset import DataNotFound, DataSet

FOLDER: Final = "equities"
_EVENTS: Final = Path(FOLDER, "corporate_actions", "events_derived.csv")
_TICKERS: Final = Path(FOLDER, "corporate_actions", "symbol_map.csv")
_HOURS: Final = "us_equity"

_STEP: Final = Decimal(1).scaleb(-12)
_TERMS: Final = 20  # largest denominator of a ratio that is taken for one a company would announce
_NEAR: Final = Decimal("0.0002")  # relative: the file derives its ratios from rounded factors


class _Event(NamedTuple):
    company: str
    last: date  # last session in old units
    kind: str
    value: Decimal
    reference_price: Decimal


class _Held(NamedTuple):
    """A ticker, and the last day on which the company had it."""

    last: date
    ticker: str


def recorded_actions(dataset: DataSet, root: Path) -> tuple[CorporateAction, ...]:
    """What becomes of the stocks of a set within its time, ascending; nothing where the files are not there.

    An action holds from the open of the first session after its last day in old units. A rename is kept when the set has
    both symbols. Where the new symbol changes hands at that very moment nobody can tell the two apart by name: it is not.

    Raises:
        DataNotFound: a file is not what its name says.
    """
    described = {i.symbol for i in dataset.instruments if i.calendar == _HOURS and _described(dataset, i.symbol)}
    if not described or not (root / _EVENTS).is_file():
        return ()
    venue = dataset.instruments[0].venue
    tickers = _tickers(root / _TICKERS)
    found = [*_splits_and_dividends(root / _EVENTS, tickers, venue), *_renames(tickers, venue)]
    within = (a for a in found if dataset.start <= a.effective < dataset.end)
    return tuple(sorted(_in_one([a for a in within if {a.symbol, a.new_symbol or a.symbol} <= described]), key=_place))


def _described(dataset: DataSet, symbol: str) -> bool:
    return any(recording.tells_of(symbol) and Path(recording.path).parts[0] == FOLDER for recording in dataset.recordings)


def _in_one(actions: Sequence[CorporateAction]) -> Iterator[CorporateAction]:
    """A split of a symbol that is renamed at the same moment is part of the rename: afterwards nobody holds the old symbol."""
    renamed = {(a.symbol, a.effective) for a in actions if a.kind == "rename"}
    splits = {(a.symbol, a.effective): a for a in actions if a.kind == "split"}
    for action in actions:
        at = (action.symbol, action.effective)
        if action.kind == "rename" and at in splits:
            yield replace(action, ratio=splits[at].ratio, reference_price=splits[at].reference_price)
        elif action.kind != "split" or at not in renamed:
            yield action


def _place(action: CorporateAction) -> tuple[int, str, str]:
    return action.effective, action.symbol, action.kind


def _splits_and_dividends(path: Path, tickers: Mapping[str, Sequence[_Held]], venue: str) -> Iterator[CorporateAction]:
    for event in _events(path):
        ticker = _ticker_on(tickers.get(event.company, ()), event.last, event.company)
        effective = _after(event.last)
        if event.kind == "split":
            yield CorporateAction(
                venue=venue,
                symbol=ticker,
                effective=effective,
                kind="split",
                ratio=ratio(event.value),
                reference_price=event.reference_price,
            )
        else:
            cash = event.value.quantize(_STEP)
            yield CorporateAction(
                venue=venue, symbol=ticker, effective=effective, kind="dividend", cash=cash, reference_price=event.reference_price
            )


def _renames(tickers: Mapping[str, Sequence[_Held]], venue: str) -> list[CorporateAction]:
    moved = [(old, new.ticker) for held in tickers.values() for old, new in zip(held, held[1:], strict=False) if old.ticker != new.ticker]
    passed_on = {(old.ticker, old.last) for old, _ in moved}
    return [
        CorporateAction(venue=venue, symbol=old.ticker, effective=_after(old.last), kind="rename", new_symbol=new)
        for old, new in moved
        if (new, old.last) not in passed_on
    ]


def ratio(value: Decimal) -> Decimal:
    """New units for each old one, of a value that is only nearly so: 6.9999972 is 7, 0.3333 is 1/3.

    What cannot be written exactly is rounded up at the 12th decimal, so that whole lots stay whole.
    """
    simple = Fraction(value).limit_denominator(_TERMS)
    exact = Decimal(simple.numerator) / Decimal(simple.denominator)
    near = abs(exact - value) <= _NEAR * value
    return (exact if near else value).quantize(_STEP, ROUND_CEILING).normalize()


def _after(last: date) -> int:
    """Open of the first session after a day."""
    midnight = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)  # later than any close in New York
    return next_open(_HOURS, nanoseconds(midnight.isoformat()))


def _ticker_on(held: Sequence[_Held], day: date, company: str) -> str:
    return next((h.ticker for h in held if day <= h.last), company)


def _events(path: Path) -> Iterator[_Event]:
    for line, cells in _rows(path, ("symbol", "last_date_before_ex", "type", "value", "reference_price")):
        company, last, kind, value, price = cells
        try:
            event = _Event(company, date.fromisoformat(last), kind, Decimal(value), Decimal(price).quantize(_STEP))
        except (ValueError, InvalidOperation) as error:
            raise DataNotFound(f"{path}, line {line}: expected a date, a value and a price, got {', '.join(cells)}") from error
        if kind not in ("split", "dividend") or not (event.value.is_finite() and event.value > 0):
            raise DataNotFound(f"{path}, line {line}: expected a split or dividend above 0, got {kind} {value}")
        yield event


def _tickers(path: Path) -> dict[str, list[_Held]]:
    """By company, in order of time; nothing when there is no such file."""
    found: defaultdict[str, list[_Held]] = defaultdict(list)
    for line, (company, last, ticker) in _rows(path, ("symbol", "last_date", "ticker")) if path.is_file() else ():
        try:
            found[company].append(_Held(date.fromisoformat(last), ticker))
        except ValueError as error:
            raise DataNotFound(f"{path}, line {line}: expected a date as last_date, got {last!r}") from error
    return {company: sorted(held) for company, held in found.items()}


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells of `columns`)."""
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        if missing := set(columns) - set(reader.fieldnames or ()):
            raise DataNotFound(f"{path} has no column {', '.join(sorted(missing))}; there are: {', '.join(reader.fieldnames or ())}")
        for row in reader:
            yield reader.line_num, [row[column] or "" for column in columns]
