"""How numbers, times and bodies look on Alpaca's wire: decimals as strings, times in RFC 3339 with up to nine decimals."""

from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from aiohttp import web

from libs.domain.times import SECOND, iso, nanoseconds

NEW_YORK: Final = ZoneInfo("America/New_York")

Json = dict[str, object]
Rows = list[Json]


def text(value: Decimal) -> str:
    """A decimal without an exponent and without zeros at its end: `100`, `0.5`."""
    plain = f"{value:f}"
    return (plain.rstrip("0").rstrip(".") if "." in plain else plain) if value else "0"


def maybe(value: Decimal | None) -> str | None:
    """As `text`, where there is a value."""
    return None if value is None else text(value)


def rounded(value: Decimal, places: int) -> Decimal:
    """A quotient, which has no end of its own, to so many decimals."""
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)


def moment(ns: int | None) -> str | None:
    """UTC nanoseconds as RFC 3339; None stays None."""
    return None if ns is None else iso(ns)


def local(ns: int) -> datetime:
    """UTC nanoseconds as New York's date and time, to the microsecond."""
    return datetime.fromtimestamp(ns // SECOND, NEW_YORK).replace(microsecond=ns % SECOND // 1000)


def midnight(day: date) -> int:
    """UTC nanoseconds at which that date begins in New York."""
    return int(datetime(day.year, day.month, day.day, tzinfo=NEW_YORK).timestamp()) * SECOND


def instant(written: str) -> int:
    """UTC nanoseconds of an RFC 3339 time, or of a date, which begins at midnight UTC.

    A `+` of the offset that arrived as a space, because the client did not quote it, is taken for what it was.
    """
    if len(written) == len("2024-01-02"):
        day = date.fromisoformat(written)
        return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND
    if written.isdecimal():
        raise ValueError(written)
    return nanoseconds(written.replace(" ", "+") if written.count(" ") == 1 and "T" in written else written)


def answer(body: object, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")
