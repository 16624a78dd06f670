"""What the engines made of the cases, kept so that ours is held to it where no other is installed."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.peers.agreement import digest
from benchmarks.peers.casefile import Bars, Result

EXPECTED: Final = Path(__file__).parent / "expected.json"


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What one engine made of a case."""

    version: str
    trades: int
    digest: str  # of the trades
    fees: float
    final_equity: float


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """One case."""

    bars: str  # fingerprint
    engines: dict[str, Made]


def made(result: Result) -> Made:
    """The figures of a result."""
    return Made(
        version=result.version,
        trades=len(result.trades),
        digest=digest(result.trades),
        fees=round(sum(trade.fee for trade in result.trades), 9),
        final_equity=round(result.final_equity, 9),
    )


def fingerprint(bars: Bars) -> str:
    """32 hex digits of a market."""
    found = hashlib.blake2b(digest_size=16)
    for column in bars:
        found.update(column.tobytes())
    return found.hexdigest()


def stored() -> dict[str, Expected]:
    """By name of the case."""
    return msgspec.json.decode(EXPECTED.read_bytes(), type=dict[str, Expected])


def store(expected: Mapping[str, Expected]) -> None:
    """Writes all cases anew."""
    EXPECTED.write_bytes(msgspec.json.format(msgspec.json.encode(expected), indent=1) + b"\n")
