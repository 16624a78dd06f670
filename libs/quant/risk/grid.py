"""An instrument's steps as plain numbers: a Decimal is exact and slow, and a decision asks for the same ones again and again.

Notional is lots times ticks, whole numbers, times one exact ratio: the quotient of two integers is the float64 nearest to the Decimal.
"""

from typing import NamedTuple

from libs.domain.instruments import Instrument


class Grid(NamedTuple):
    """Of one instrument; currency is its own."""

    tick: float
    lot: float
    multiplier: float
    units: float  # what a price is multiplied by for the worth of one lot
    min_notional: float
    above: int  # notional is lots * ticks * above / below
    below: int

    def notional(self, lots: int, ticks: int) -> float:
        """Worth of so many lots at a limit."""
        return lots * ticks * self.above / self.below


def grid_of(instrument: Instrument) -> Grid:
    """The steps of an instrument."""
    above, below = (instrument.tick * instrument.lot * instrument.multiplier).as_integer_ratio()
    return Grid(
        float(instrument.tick),
        float(instrument.lot),
        float(instrument.multiplier),
        float(instrument.lot * instrument.multiplier),
        float(instrument.min_notional),
        above,
        below,
    )
