"""Recorded futures of the CME. One file holds several expiries, in a column `contract`."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from libs.domain.instruments import Instrument
from libs.domain.times import nanoseconds
from libs.venues.replay.dataset import DataSet, Recording


def _future(symbol: str, tick: str, multiplier: int) -> Instrument:
    return Instrument(
        symbol=symbol,
        venue="CME",
        asset_class="future",
        currency="USD",
        tick=Decimal(tick),
        lot=Decimal(1),
        multiplier=Decimal(multiplier),
        calendar="cme_globex",
    )


def _es(*expiries: str) -> tuple[Instrument, ...]:
    return tuple(_future(f"ES.{expiry}", "0.25", 50) for expiry in expiries)


def _contracts(*expiries: str) -> Mapping[str, str]:
    """What the files call an expiry, and our symbol."""
    return {f"ES{expiry}": f"ES.{expiry}" for expiry in expiries}


def _minutes(name: str, traded: tuple[str, ...], quoted: tuple[str, ...], start: str, end: str) -> DataSet:
    """`quoted`: expiries that nobody traded in this stretch."""
    return DataSet(
        name=name,
        instruments=_es(*traded, *quoted),
        recordings=(
            Recording(
                path="futures/ES_minute_quote.parquet",
                layout="quote_bars",
                symbols=_contracts(*traded, *quoted),
                timeframe="1m",
                names={"symbol": "contract"},
            ),
            Recording(
                path="futures/ES_minute_trade.parquet",
                layout="trade_bars",
                symbols=_contracts(*traded),
                timeframe="1m",
                names={"symbol": "contract"},
            ),
        ),
        start=nanoseconds(start),
        end=nanoseconds(end),
        speed=600,
    )


_TRADED_2013: Final = ("201312", "201403", "201406", "201409", "201412")
_TRADED_2020: Final = ("202003", "202006", "202009")

_ES_DAILY: Final = DataSet(
    name="es_daily",
    instruments=_es(*_TRADED_2013, *_TRADED_2020),
    recordings=(
        Recording(
            path="futures/ES_daily_trade.csv.gz",
            layout="trade_bars",
            symbols=_contracts(*_TRADED_2013, *_TRADED_2020),
            timeframe="1d",
            stamp="date",
            names={"ts": "date", "symbol": "contract"},
        ),
    ),
    start=nanoseconds("2013-10-06T22:00:00Z"),
    end=nanoseconds("2020-01-09T00:00:00Z"),
    speed=864_000,
)

_EUR_FUTURES: Final = DataSet(
    name="eur_futures",
    instruments=(_future("6E.202403", "0.00005", 125_000),),
    recordings=(
        Recording(
            path="futures/6EH4_1m_202401.parquet",
            layout="trade_bars",
            symbol="6E.202403",
            timeframe="1m",
            stamp="end",  # 23:01 is the first minute of every session in it, and 22:00 the last
        ),
    ),
    start=nanoseconds("2024-01-01T23:00:00Z"),
    end=nanoseconds("2024-02-01T00:00:00Z"),
    speed=600,
)

SETS: Final = (
    _minutes("es_futures", _TRADED_2013, ("201503",), "2013-11-18T00:00:00Z", "2013-12-21T00:00:00Z"),
    _minutes("es_futures_2020", _TRADED_2020, ("202012", "202103"), "2020-01-05T23:00:00Z", "2020-01-07T00:00:00Z"),
    _ES_DAILY,
    _EUR_FUTURES,
)
