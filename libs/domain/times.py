"""Market time as people and files write it, to exact nanoseconds."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

SECOND: Final = 1_000_000_000
NS_PER: Final = {"s": SECOND, "ms": 1_000_000, "us": 1_000, "ns": 1}
"""Nanoseconds in the units that files count times in."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FRACTION = re.compile(r"\.(\d{1,9})")


def iso(ns: int) -> str:
    """UTC nanoseconds as ISO 8601, with as many decimals as it takes: `2013-10-07T13:30:00Z`."""
    seconds, rest = divmod(ns, SECOND)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    return text + (f".{rest:09}".rstrip("0") if rest else "") + "Z"


def nanoseconds(text: str) -> int:
    """UTC nanoseconds of an ISO 8601 time with up to nine decimals, or of digits that are such already.

    A time without an offset is UTC. ValueError when it is neither.
    """
    if text.isdecimal():
        return int(text)
    fraction = _FRACTION.search(text)
    # datetime keeps microseconds only, so the decimals are taken out and added back as they are.
    moment = datetime.fromisoformat(_FRACTION.sub("", text, count=1))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    return seconds * SECOND + (int(fraction[1].ljust(9, "0")) if fraction else 0)
