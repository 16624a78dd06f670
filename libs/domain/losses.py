"""Loss limits and halts, as they are written down. What counts as a halt: libs/quant/risk/halts.py."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from libs.domain.configuration import LossLimitName

LOSSES: Final[Mapping[LossLimitName, str]] = {"max_daily_loss": "loss of the day", "max_drawdown": "fall from its peak"}
"""What each limit bounds, for a person."""


class LossLimits(NamedTuple):
    """Where an account is halted, as a share of the equity that its loss is measured from; None: nowhere."""

    max_daily_loss: float | None = None
    max_drawdown: float | None = None

    @property
    def any(self) -> bool:
        return self.max_daily_loss is not None or self.max_drawdown is not None


class Halt(NamedTuple):
    """A loss limit that was passed over."""

    limit: LossLimitName
    at: int  # market ns
    equity: float  # then
    reference: float  # the equity that the loss is measured from
    most: float  # the limit, a share of the reference
    seen: float  # the loss


class LossState(NamedTuple):
    """What losses are measured from, and what has come of them so far."""

    evaluated_at: int  # market ns
    equity: float  # then
    day: int  # market ns at which the trading day began
    day_equity: float  # the last one known before it began, or when a person re-armed the daily loss since
    peak_equity: float  # the highest since the account was opened, or since a person re-armed the drawdown
    halts: tuple[Halt, ...] = ()  # in force, in order

    @property
    def daily_loss(self) -> float:
        """Share of the day's equity that is gone; below 0 for a gain."""
        return loss(self.day_equity, self.equity)

    @property
    def drawdown(self) -> float:
        """Share of the peak that is gone."""
        return loss(self.peak_equity, self.equity)


def loss(reference: float, equity: float) -> float:
    """Share of the reference that is gone. Of an account that had nothing left to lose it is all of it."""
    return (reference - equity) / reference if reference > 0 else 1.0


def percent(share: float) -> str:
    """A share for a person, fine enough to tell a loss from the limit that it has just passed: `3.012%`."""
    return f"{100 * share:.4g}%"
