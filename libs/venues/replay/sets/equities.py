"""Recorded US stocks.

What the quotes and trades of a day show is in cents. The long histories, hourly and daily, know fractions of them (old
sixteenths, averages, adjusted prices): their tick is finer, and as one venue has one tick for a symbol, they are other venues.
"""

from decimal import Decimal
from typing import Final

from libs.domain.instruments import Instrument
from libs.domain.times import nanoseconds
from libs.venues.replay.dataset import DataSet, Recording
from libs.venues.replay.sets.files import DATES, daily, quotes_and_trades, trade_bars


def _stock(symbol: str, venue: str = "US", tick: str = "0.01") -> Instrument:
    return Instrument(
        symbol=symbol,
        venue=venue,
        asset_class="equity",
        currency="USD",
        tick=Decimal(tick),
        lot=Decimal(1),
        calendar="us_equity",
    )


def _minutes(name: str, symbol: str, start: str, end: str) -> DataSet:
    return DataSet(
        name=name,
        instruments=(_stock(symbol),),
        recordings=quotes_and_trades(symbol, f"equities/minute/{symbol}"),
        start=nanoseconds(start),
        end=nanoseconds(end),
        speed=600,
    )


EQUITIES: Final = DataSet(
    name="equities",
    instruments=(_stock("AIG"), _stock("IBM")),
    recordings=(*quotes_and_trades("AIG", "equities/minute/AIG"), *quotes_and_trades("IBM", "equities/minute/IBM")),
    start=nanoseconds("2013-10-07T13:30:00Z"),
    end=nanoseconds("2013-10-12T00:00:00Z"),
    speed=600,
)

_IBM_SECONDS: Final = DataSet(
    name="ibm_seconds",
    instruments=(_stock("IBM"),),
    recordings=quotes_and_trades("IBM", "equities/second/IBM_20131007", "1s"),
    start=nanoseconds("2013-10-07T13:30:00Z"),
    end=nanoseconds("2013-10-08T00:00:00Z"),
    speed=60,
)

_IBM_TICKS: Final = DataSet(
    name="ibm_ticks",
    instruments=(_stock("IBM", "US-TICKS"),),  # bars built from ticks must not meet recorded ones
    recordings=(
        Recording(
            path="equities/tick/IBM_20131007_quote.parquet",
            layout="best_updates",
            symbol="IBM",
            names={"bid": "bid_price", "ask": "ask_price"},
            suspicious=True,
        ),
        Recording(path="equities/tick/IBM_20131007_trade.parquet", layout="trades", symbol="IBM", suspicious=True),
    ),
    start=nanoseconds("2013-10-07T13:30:00Z"),
    end=nanoseconds("2013-10-08T00:00:00Z"),
    speed=10,
)

_HISTORY: Final = "US-HISTORY"
_HISTORY_TICK: Final = "0.0001"

_HOURLY: Final = DataSet(
    name="equities_hourly",
    instruments=tuple(_stock(symbol, _HISTORY, _HISTORY_TICK) for symbol in ("AAPL", "IBM", "SPWR", "SPWRA", "VXX")),
    recordings=tuple(trade_bars(symbol, f"equities/hour/{symbol}.parquet", "1h") for symbol in ("AAPL", "IBM", "SPWR", "SPWRA", "VXX")),
    start=nanoseconds("1998-01-02T14:00:00Z"),
    end=nanoseconds("2021-04-01T00:00:00Z"),
    speed=36_000,
)

_DAILY_SYMBOLS: Final = (
    *("AAA", "AAPL", "AIG", "EEM", "FOXA", "GOOAV", "GOOCV", "GOOG"),
    *("GOOGL", "IBM", "NWSA", "QQQ", "USO", "WM", "WMI"),
)

_DAILY: Final = DataSet(
    name="equities_daily",
    instruments=tuple(_stock(symbol, _HISTORY, _HISTORY_TICK) for symbol in _DAILY_SYMBOLS),
    recordings=tuple(daily(symbol, f"equities/daily/{symbol}.csv.gz") for symbol in _DAILY_SYMBOLS),
    start=nanoseconds("1998-01-02T14:30:00Z"),
    end=nanoseconds("2021-04-01T00:00:00Z"),
    speed=864_000,
)

_STOCKNET_SYMBOLS: Final = (
    *("AAPL", "ABB", "ABBV", "AEP", "AGFS", "AMGN", "AMZN", "BA", "BABA", "BAC", "BBL", "BCH", "BHP", "BP", "BRK-A", "BSAC"),
    *("BUD", "C", "CAT", "CELG", "CHL", "CHTR", "CMCSA", "CODI", "CSCO", "CVX", "D", "DHR", "DIS", "DUK", "EXC", "FB", "GD"),
    *("GE", "GMRE", "GOOG", "HD", "HON", "HRG", "HSBC", "IEP", "INTC", "JNJ", "JPM", "KO", "LMT", "MA", "MCD", "MDT", "MMM"),
    *("MO", "MRK", "MSFT", "NEE", "NGG", "NVS", "ORCL", "PCG", "PCLN", "PEP", "PFE", "PG", "PICO", "PM", "PPL", "PTR", "RDS-B"),
    *("REX", "SLB", "SNP", "SNY", "SO", "SPLP", "SRE", "T", "TM", "TOT", "TSM", "UL", "UN", "UNH", "UPS", "UTX", "V", "VZ"),
    *("WFC", "WMT", "XOM"),
)

_STOCKNET: Final = DataSet(
    name="stocknet_daily",
    instruments=tuple(_stock(symbol, "YAHOO", "0.000001") for symbol in _STOCKNET_SYMBOLS),
    recordings=(
        Recording(
            path="cross_section/stocknet_88stocks_daily.parquet",
            layout="trade_bars",
            timeframe="1d",
            stamp="date",
            names=DATES,
        ),
    ),
    start=nanoseconds("2012-09-04T13:30:00Z"),
    end=nanoseconds("2017-09-02T00:00:00Z"),
    speed=864_000,
)

SETS: Final = (
    EQUITIES,
    _minutes("aapl_split", "AAPL", "2014-06-05T13:30:00Z", "2014-06-10T00:00:00Z"),
    _minutes("twx_spinoff", "TWX", "2014-06-05T13:30:00Z", "2014-06-10T00:00:00Z"),
    _minutes("nwsa", "NWSA", "2013-06-27T13:30:00Z", "2013-06-29T00:00:00Z"),
    _minutes("foxa", "FOXA", "2013-07-01T13:30:00Z", "2013-07-03T00:00:00Z"),
    _minutes("goog_half_day", "GOOG", "2015-12-23T14:30:00Z", "2015-12-29T00:00:00Z"),
    _minutes("shy_dst", "SHY", "2008-03-07T14:30:00Z", "2008-03-11T00:00:00Z"),
    _IBM_SECONDS,
    _IBM_TICKS,
    _HOURLY,
    _DAILY,
    _STOCKNET,
)
