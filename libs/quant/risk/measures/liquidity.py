"""How long it takes to be out without being the market."""

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from libs.quant.risk.measures.checks import Vector, same_length, series


class Liquidity(msgspec.Struct, frozen=True):
    """Of the positions whose volume is known."""

    participation: float  # share of the volume that we take
    days: float  # until the last of them is out
    within_a_day: float  # share of their gross exposure that is out after one


def days_to_exit(values: ArrayLike, daily_volume: ArrayLike, participation: float) -> Vector:
    """Trading days until each position is closed: |value| / (participation x daily volume), shape (positions,).

    Infinite where nothing trades. Sold evenly; what the selling does to the price is not in it.

    Args:
        values: signed worth of each position, money.
        daily_volume: mean worth traded in a day, the same money.
        participation: share of it that we take, above 0 and at most 1.

    Raises:
        ValueError: unequal lengths, a volume below 0, a participation that is no share, or what is no finite number.
    """
    held, traded = series(values, "values"), series(daily_volume, "daily volume")
    same_length(len(held), len(traded), "values and daily volume")
    if not 0.0 < participation <= 1.0:
        raise ValueError(f"Expected a participation above 0 and at most 1, got {participation}")
    if len(traded) and traded.min() < 0.0:
        raise ValueError(f"Expected daily volumes of 0 or more, got {traded.min()} at [{int(traded.argmin())}]")
    sizes = np.abs(held)
    with np.errstate(divide="ignore", invalid="ignore"):
        days = sizes / (participation * traded)
    return np.asarray(np.where(sizes == 0.0, 0.0, days), dtype=np.float64)


def liquidity(values: ArrayLike, daily_volume: ArrayLike, participation: float) -> Liquidity:
    """The same of them together.

    Raises:
        ValueError: nothing is held, or as `days_to_exit`.
    """
    days = days_to_exit(values, daily_volume, participation)
    sizes = np.abs(series(values, "values"))
    gross = float(sizes.sum())
    if gross == 0.0:
        raise ValueError("Expected a position that is worth something, got none: nothing has to be sold")
    out = np.minimum(sizes, participation * series(daily_volume, "daily volume"))
    return Liquidity(participation, float(days.max()), float(out.sum()) / gross)
