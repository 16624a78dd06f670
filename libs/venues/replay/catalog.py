"""The recorded markets that can be replayed by name. A new one is one more entry here."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from libs.domain.instruments import Instrument
from libs.venues.replay.dataset import DataSet, Recording
from libs.venues.replay.timestamps import nanoseconds


def _stock(symbol: str) -> Instrument:
    return Instrument(
        symbol=symbol,
        venue="US",
        asset_class="equity",
        currency="USD",
        tick=Decimal("0.01"),
        lot=Decimal(1),
        calendar="us_equity",
    )


def _minutes(symbol: str, stem: str) -> tuple[Recording, Recording]:
    """The minute quote and trade bars of a symbol."""
    return (
        Recording(path=f"{stem}_quote.parquet", layout="quote_bars", symbol=symbol, timeframe="1m"),
        Recording(path=f"{stem}_trade.parquet", layout="trade_bars", symbol=symbol, timeframe="1m"),
    )


EQUITIES: Final = DataSet(
    name="equities",
    instruments=(_stock("AIG"), _stock("IBM")),
    recordings=(*_minutes("AIG", "equities/minute/AIG"), *_minutes("IBM", "equities/minute/IBM")),
    start=nanoseconds("2013-10-07T13:30:00Z"),
    end=nanoseconds("2013-10-12T00:00:00Z"),
    speed=600,
)

CRYPTO: Final = DataSet(
    name="crypto",
    instruments=(
        Instrument(
            symbol="BTC/USD",
            venue="COINBASE",
            asset_class="crypto",
            currency="USD",
            tick=Decimal("0.01"),
            lot=Decimal("0.00000001"),
            calendar="24/7",
        ),
    ),
    recordings=_minutes("BTC/USD", "crypto/candles/BTCUSD_coinbase_1m"),
    start=nanoseconds("2018-04-04T00:00:00Z"),
    end=nanoseconds("2018-04-05T00:00:00Z"),
    speed=600,
)

SETS: Final[Mapping[str, DataSet]] = {dataset.name: dataset for dataset in (EQUITIES, CRYPTO)}


def named(name: str) -> DataSet:
    """The set that `--replay` calls `name`; ValueError names those there are."""
    if name not in SETS:
        raise ValueError(f"no recorded market is called {name!r}; there are: {', '.join(sorted(SETS))}")
    return SETS[name]
