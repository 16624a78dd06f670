"""A recorded market in the layout of `--replay equities`, with rows that nobody should believe."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import sin
from pathlib import Path
from typing import Final

import pyarrow
import pyarrow.csv
import pyarrow.parquet

OPEN: Final = datetime(2013, 10, 7, 13, 30, tzinfo=UTC)
MINUTES: Final = 300
SIDES: Final = tuple(f"{side}_{what}" for side in ("bid", "ask") for what in ("open", "high", "low", "close", "size"))
CORRUPT: Final = "corrupt"


def write(folder: Path) -> Mapping[str, str]:
    """Four recordings, one of them text; each spoiled row's symbol by the code of its refusal."""
    equities = folder / "equities" / "minute"
    equities.mkdir(parents=True)
    aig_trades, ibm_trades, aig_quotes, ibm_quotes = _trades(50.0), _trades(180.0), _quotes(50.0), _quotes(180.0)
    ibm_trades["close"][4] = float("nan")
    ibm_trades["volume"][6] = -5.0
    ibm_trades["high"][8] = 1.0
    ibm_quotes["bid_close"][5], ibm_quotes["bid_high"][5] = 500.0, 500.0
    aig_trades["close"][7] = aig_trades["high"][7] = 5000.0
    for name, columns in (("IBM_trade", ibm_trades), ("AIG_trade", aig_trades), ("IBM_quote", ibm_quotes)):
        pyarrow.parquet.write_table(pyarrow.table({"ts": _times(), **columns}), equities / f"{name}.parquet")
    as_text = equities / "AIG_quote.parquet"  # a folder of files is a recording too
    as_text.mkdir()
    pyarrow.csv.write_csv(pyarrow.table({"ts": [t.isoformat() for t in _times()], **aig_quotes}), as_text / "all.csv")
    lines = (as_text / "all.csv").read_text().splitlines()
    lines[3] = lines[3].replace(lines[3].split(",")[3], CORRUPT)
    lines[5] = lines[5][:40]
    lines[7] = "yesterday" + lines[7][lines[7].index(",") :]
    lines[9], lines[10] = lines[10], lines[9]
    (as_text / "all.csv").write_text("\n".join(lines) + "\n")
    return {
        "not_finite": "IBM",
        "negative_volume": "IBM",
        "high_low": "IBM",
        "crossed": "IBM",
        "jump": "AIG",
        "not_a_number": "AIG",
        "cells": "AIG",
        "not_a_time": "AIG",
        "out_of_order": "AIG",
    }


def _times() -> list[datetime]:
    return [OPEN + timedelta(minutes=n) for n in range(MINUTES)]


def _level(price: float, n: int) -> float:
    return round(price * (1 + 0.01 * sin(n / 4)), 2)


def _trades(price: float) -> dict[str, list[float]]:
    closes = [_level(price, n) for n in range(MINUTES)]
    return {
        "open": list(closes),
        "high": [c + 0.05 for c in closes],
        "low": [c - 0.05 for c in closes],
        "close": list(closes),
        "volume": [10_000.0] * MINUTES,
    }


def _quotes(price: float) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for name in SIDES:
        shift = 0.01 if name.startswith("ask") else -0.01
        shift += {"high": 0.04, "low": -0.04}.get(name.partition("_")[2], 0.0)
        found[name] = [1000.0 if name.endswith("size") else round(_level(price, n) + shift, 2) for n in range(MINUTES)]
    return found
