"""Recorded coins, spot and perpetual. The bars built from the trades of XRP/ETH have a venue of their own, as recorded ones exist."""

from decimal import Decimal
from typing import Final

from libs.domain.instruments import Instrument
from libs.domain.times import nanoseconds
from libs.venues.replay.dataset import DataSet, Recording
from libs.venues.replay.sets.files import daily, quotes_and_trades, trade_bars


def _coin(symbol: str, venue: str, tick: str) -> Instrument:
    return Instrument(
        symbol=symbol,
        venue=venue,
        asset_class="crypto",
        currency=symbol.partition("/")[2].partition(":")[0],
        tick=Decimal(tick),
        lot=Decimal("0.00000001"),
        calendar="24/7",
    )


def _candles(name: str, coin: Instrument, file: str, timeframe: str, start: str, end: str, speed: float) -> DataSet:
    return DataSet(
        name=name,
        instruments=(coin,),
        recordings=(trade_bars(coin.symbol, f"crypto/candles/{file}.parquet", timeframe),),
        start=nanoseconds(start),
        end=nanoseconds(end),
        speed=speed,
    )


_COINBASE: Final = tuple(_coin(symbol, "COINBASE", "0.01") for symbol in ("BTC/USD", "ETH/USD", "LTC/USD"))
_BTC_USD: Final = _COINBASE[0]
_BTC_USDT: Final = _coin("BTC/USDT", "BINANCE", "0.01")
_ETH_USDT: Final = _coin("ETH/USDT", "BINANCE", "0.01")
_BINANCE_2024: Final = {
    "BNB": _coin("BNB/USDT", "BINANCE", "0.1"),
    "BTC": _BTC_USDT,
    "ETH": _ETH_USDT,
    "SOL": _coin("SOL/USDT", "BINANCE", "0.01"),
}
_BITTREX: Final = {coin: _coin(f"{coin}/BTC", "BITTREX", "0.00000001") for coin in ("DASH", "LTC", "TRX", "XMR")}
_XRP_ETH: Final = _coin("XRP/ETH", "BINANCE", "0.00000001")
_BTC_PERP: Final = _coin("BTC/USD:USD", "FTX", "1")
_XRP_PERP: Final = _coin("XRP/USDT:USDT", "FREQTRADE", "0.00001")  # the exchange is not told

CRYPTO: Final = DataSet(
    name="crypto",
    instruments=(_BTC_USD,),
    recordings=quotes_and_trades("BTC/USD", "crypto/candles/BTCUSD_coinbase_1m"),
    start=nanoseconds("2018-04-04T00:00:00Z"),
    end=nanoseconds("2018-04-05T00:00:00Z"),
    speed=600,
)

_CRYPTO_COINBASE: Final = DataSet(
    name="crypto_coinbase",
    instruments=_COINBASE,
    recordings=tuple(
        recording
        for coin in _COINBASE
        for recording in quotes_and_trades(coin.symbol, f"crypto/candles/{coin.symbol.replace('/', '')}_coinbase_1m")
    ),
    start=nanoseconds("2018-04-04T00:00:00Z"),
    end=nanoseconds("2018-04-06T00:00:00Z"),
    speed=600,
)

_BTCUSD_DAILY: Final = DataSet(
    name="btcusd_daily",
    instruments=(_BTC_USD,),
    recordings=(daily("BTC/USD", "crypto/candles/BTCUSD_coinbase_daily.csv.gz"),),
    start=nanoseconds("2014-12-01"),
    end=nanoseconds("2018-08-14"),
    speed=864_000,
)

_BINANCE_4H: Final = DataSet(
    name="binance_4h",
    instruments=tuple(_BINANCE_2024.values()),
    recordings=tuple(
        trade_bars(coin.symbol, f"crypto/candles/{name}USDT_binance_4h_2023_24.parquet", "4h") for name, coin in _BINANCE_2024.items()
    ),
    start=nanoseconds("2023-12-30T08:00:00Z"),
    end=nanoseconds("2024-03-22T16:00:00Z"),
    speed=144_000,
)

_BITTREX_5M: Final = DataSet(
    name="bittrex_5m",
    instruments=tuple(_BITTREX.values()),
    recordings=tuple(trade_bars(coin.symbol, f"crypto/candles/{name}_BTC_5m.parquet", "5m") for name, coin in _BITTREX.items()),
    start=nanoseconds("2018-01-10T04:55:00Z"),
    end=nanoseconds("2018-01-30T04:55:00Z"),
    speed=3_000,
)

_XRPETH_TRADES: Final = DataSet(
    name="xrpeth_trades",
    instruments=(_coin("XRP/ETH", "BINANCE-TICKS", "0.00000001"),),
    recordings=(Recording(path="crypto/trades/XRP_ETH_trades.parquet", layout="trades", symbol="XRP/ETH", names={"size": "amount"}),),
    start=nanoseconds("2019-10-11"),
    end=nanoseconds("2019-10-14"),
    speed=600,
)

_BTCUSDT_TRADES: Final = DataSet(
    name="btcusdt_trades",
    instruments=(_BTC_USDT,),
    recordings=(
        Recording(
            path="crypto/trades/BTCUSDT_binance_trades_20210108.parquet", layout="trades", symbol="BTC/USDT", names={"size": "quantity"}
        ),
    ),
    start=nanoseconds("2021-01-08T00:00:00Z"),
    end=nanoseconds("2021-01-08T00:01:00Z"),
    speed=1,
)

_ETH_TICKS: Final = DataSet(
    name="eth_ticks",
    instruments=(_ETH_USDT,),
    recordings=(
        Recording(
            path="crypto/l2/ETHUSDT_binance_spot_20240808_book_ticker.parquet",
            layout="quotes",
            symbol="ETH/USDT",
            names={"ts": "local_ts", "bid": "bid_price", "bid_size": "bid_qty", "ask": "ask_price", "ask_size": "ask_qty"},
        ),
        Recording(
            path="crypto/l2/ETHUSDT_binance_spot_20240808_trades.parquet",
            layout="trades",
            symbol="ETH/USDT",
            names={"ts": "local_ts", "size": "qty"},
        ),
    ),
    start=nanoseconds("2024-08-08T23:54:14Z"),
    end=nanoseconds("2024-08-09T00:00:00Z"),
    speed=1,
)

SETS: Final = (
    CRYPTO,
    _CRYPTO_COINBASE,
    _candles("btcusd_seconds", _BTC_USD, "BTCUSD_coinbase_1s_20161007", "1s", "2016-10-07", "2016-10-08", 60),
    _BTCUSD_DAILY,
    _candles("btcusdt_1m", _BTC_USDT, "BTCUSDT_binance_1m_2018", "1m", "2018-04-28T01:52:00Z", "2018-04-28T10:15:00Z", 600),
    _candles("btcusdt_5m", _BTC_USDT, "BTCUSDT_binance_5m_2018", "5m", "2018-04-26T16:35:00Z", "2018-04-28T10:15:00Z", 3_000),
    _candles("btcusdt_1h", _BTC_USDT, "BTCUSDT_binance_1h_2018", "1h", "2018-04-07T15:00:00Z", "2018-04-28T11:00:00Z", 36_000),
    _candles("btcusdt_1d", _BTC_USDT, "BTCUSDT_binance_1d_2018", "1d", "2017-08-17", "2018-04-29", 864_000),
    _BINANCE_4H,
    _candles("btc_perp", _BTC_PERP, "BTC_PERP_1m_202201", "1m", "2022-01-07T21:41:00Z", "2022-02-01T05:32:00Z", 600),
    _candles("btc_perp_1h", _BTC_PERP, "BTC_PERP_1h_202201_derived", "1h", "2022-01-07T21:00:00Z", "2022-02-01T06:00:00Z", 36_000),
    _candles("xrp_perp_5m", _XRP_PERP, "XRPUSDT_PERP_5m_futures", "5m", "2021-11-15", "2021-11-21T22:35:00Z", 3_000),
    _candles("xrp_perp_1h", _XRP_PERP, "XRPUSDT_PERP_1h_futures", "1h", "2021-11-17T01:00:00Z", "2021-11-21T05:00:00Z", 36_000),
    _BITTREX_5M,
    _candles("xrpeth_1m", _XRP_ETH, "XRP_ETH_1m", "1m", "2019-10-11", "2019-10-13T11:20:00Z", 600),
    _candles("xrpeth_5m", _XRP_ETH, "XRP_ETH_5m", "5m", "2019-10-11", "2019-10-13T11:20:00Z", 3_000),
    _XRPETH_TRADES,
    _BTCUSDT_TRADES,
    _ETH_TICKS,
)
