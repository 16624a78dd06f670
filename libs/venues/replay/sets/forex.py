"""Recorded currencies and gold. There are quotes only, and they tell no sizes: each shows a round lot of its market."""

from decimal import Decimal
from typing import Final

from libs.domain.instruments import Instrument
from libs.domain.times import nanoseconds
from libs.venues.replay.dataset import DataSet, Recording

_MILLION: Final = 1_000_000.0  # units of the base currency: what dealers quote for
_GOLD_BARS: Final = 2_000.0  # ounces


def _pair(symbol: str, venue: str = "OANDA", tick: str = "0.00001") -> Instrument:
    return Instrument(
        symbol=symbol,
        venue=venue,
        asset_class="forex",
        currency=symbol.partition("/")[2],
        tick=Decimal(tick),
        lot=Decimal(1),
        calendar="forex",
    )


def _bars(symbol: str, file: str, timeframe: str = "1m", shown: float = _MILLION) -> Recording:
    return Recording(path=f"forex/{file}.parquet", layout="quote_bars", symbol=symbol, timeframe=timeframe, shown=shown)


def _ticks(symbol: str, file: str) -> Recording:
    return Recording(path=f"forex/{file}.parquet", layout="quotes", symbol=symbol, shown=_MILLION)


def _set(name: str, pair: Instrument, recording: Recording, start: str, end: str, speed: float = 600) -> DataSet:
    return DataSet(
        name=name,
        instruments=(pair,),
        recordings=(recording,),
        start=nanoseconds(start),
        end=nanoseconds(end),
        speed=speed,
    )


_EUR_USD: Final = _pair("EUR/USD")
_EUR_USD_FXCM: Final = _pair("EUR/USD", "FXCM")
_EUR_USD_TICKS: Final = _pair("EUR/USD", "OANDA-TICKS")  # bars built from ticks must not meet recorded ones
_EUR_USD_MINUTES: Final = _bars("EUR/USD", "EURUSD_oanda_1m_201405")

_FOREX_2014: Final = DataSet(
    name="forex_2014",
    instruments=(_EUR_USD, _pair("NZD/USD")),
    recordings=(_EUR_USD_MINUTES, _bars("NZD/USD", "NZDUSD_oanda_1m_201405")),
    start=nanoseconds("2014-05-01T00:00:00Z"),
    end=nanoseconds("2014-05-09T21:00:00Z"),
    speed=600,
)

SETS: Final = (
    _FOREX_2014,
    _set("eurusd_2014", _EUR_USD, _EUR_USD_MINUTES, "2014-05-01", "2014-05-16"),
    _set("eurusd_ticks", _EUR_USD_TICKS, _ticks("EUR/USD", "EURUSD_oanda_tick_*"), "2014-05-01", "2014-05-03", 60),
    _set("eurusd_hourly", _EUR_USD, _bars("EUR/USD", "EURUSD_oanda_1h_from2012", "1h"), "2012-01-01T22:00:00Z", "2019-01-01", 36_000),
    _set("eurusd_fxcm", _EUR_USD_FXCM, _bars("EUR/USD", "EURUSD_fxcm_1m_20110307"), "2011-03-07T05:00:00Z", "2011-03-08T05:00:00Z"),
    _set("eurusd_crossed", _EUR_USD_FXCM, _bars("EUR/USD", "EURUSD_fxcm_1m_20111031"), "2011-10-31T05:00:00Z", "2011-11-01T05:00:00Z"),
    _set("gbpusd_daily", _pair("GBP/USD"), _bars("GBP/USD", "GBPUSD_oanda_daily", "1d"), "2007-01-01", "2019-01-01", 864_000),
    _set(
        "usdjpy_ticks",
        _pair("USD/JPY", "TRUEFX", "0.001"),
        _ticks("USD/JPY", "USDJPY_truefx_ticks"),
        "2013-01-01T22:00:00Z",
        "2013-01-01T22:36:00Z",
        10,
    ),
    _set(
        "xauusd",
        _pair("XAU/USD", tick="0.001"),
        _bars("XAU/USD", "XAUUSD_oanda_1m_201405", shown=_GOLD_BARS),
        "2014-05-01",
        "2014-05-06",
    ),
)
