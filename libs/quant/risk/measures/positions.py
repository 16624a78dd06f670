"""What is measured."""

from typing import NamedTuple

from libs.domain.instruments import AssetClass


class Position(NamedTuple):
    """What an account holds of one symbol."""

    symbol: str
    asset_class: AssetClass
    value: float  # signed worth, money of the account
    daily_volume: float | None = None  # mean worth traded in a day, the same money; None: not known
