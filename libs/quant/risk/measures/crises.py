"""Crises as they were recorded: what an index closed at before and after."""

from datetime import date
from typing import Final, NamedTuple

from libs.domain.instruments import AssetClass


class Recorded(NamedTuple):
    """An index at two closes."""

    of: str  # the index
    before: float
    after: float

    @property
    def move(self) -> float:
        return self.after / self.before - 1.0


class Crisis(NamedTuple):
    """How far the market of each class of assets moved between two closes."""

    name: str
    title: str
    before: date
    after: date
    moves: dict[AssetClass, Recorded]


def _stocks(before: float, after: float) -> Recorded:
    return Recorded("S&P 500", before, after)


def _coins(before: float, after: float) -> Recorded:
    return Recorded("BTC/USD", before, after)


CRISES: Final = (
    Crisis("black_monday", "Black Monday, one day", date(1987, 10, 16), date(1987, 10, 19), {"equity": _stocks(282.70, 224.84)}),
    Crisis("russia", "Russia defaults, six weeks", date(1998, 7, 17), date(1998, 8, 31), {"equity": _stocks(1186.75, 957.28)}),
    Crisis("dot_com", "The dot-com fall, 31 months", date(2000, 3, 24), date(2002, 10, 9), {"equity": _stocks(1527.46, 776.76)}),
    Crisis("gfc_day", "The bail-out is voted down, one day", date(2008, 9, 26), date(2008, 9, 29), {"equity": _stocks(1213.27, 1106.42)}),
    Crisis("gfc_week", "The worst week of 2008", date(2008, 10, 3), date(2008, 10, 10), {"equity": _stocks(1099.23, 899.22)}),
    Crisis("gfc", "The financial crisis, 17 months", date(2007, 10, 9), date(2009, 3, 9), {"equity": _stocks(1565.15, 676.53)}),
    Crisis(
        "covid_day",
        "12 March 2020, one day",
        date(2020, 3, 11),
        date(2020, 3, 12),
        {"equity": _stocks(2741.38, 2480.64), "crypto": _coins(7911.43, 4970.79)},
    ),
    Crisis(
        "covid",
        "The pandemic, five weeks",
        date(2020, 2, 19),
        date(2020, 3, 23),
        {"equity": _stocks(3386.15, 2237.40), "crypto": _coins(9633.39, 6416.31)},
    ),
    Crisis(
        "terra",
        "Terra and Three Arrows, six weeks",
        date(2022, 5, 4),
        date(2022, 6, 17),
        {"equity": _stocks(4300.17, 3674.84), "crypto": _coins(39698.37, 20471.48)},
    ),
)
"""Closes of the S&P 500 from 1990 on are those of the package skfolio's index file, which a test compares; those of 1987 as reported
at the time (down 57.86 to 224.84). BTC/USD are UTC closes of CoinMarketCap as Yahoo Finance gives them."""
