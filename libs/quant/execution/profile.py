"""How the volume of a market is spread over a stretch of the day: what a VWAP schedule follows."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

DAY: Final = 24 * 3600 * 1_000_000_000
DAYS: Final = 20
"""Earlier days that are looked at; a month of trading, as in Bialkowski, Darolles and Le Fol, "Improving VWAP strategies: A
dynamic volume approach", Journal of Banking & Finance 32 (2008), whose plain benchmark this mean of shares is."""
_WHOLE: Final = 1_000_000


class Traded(NamedTuple):
    """Volume of one bar."""

    start: int  # market ns
    volume: float


def frame(timeframes: Sequence[str]) -> str:
    """Of the timeframes there are, finest first, the one whose bars are counted: minutes where there are any."""
    return "1m" if "1m" in timeframes else timeframes[0]


def volume_profile(bars: Iterable[Traded], length: int, starts_at: int, takes_ns: int, slices: int) -> tuple[int, ...] | None:
    """Mean share of a day's volume in each slice of the stretch, in millionths; None where no earlier day says anything.

    Each day counts alike, however much was traded on it. A bar's volume is taken as spread evenly over its length.

    Args:
        bars: of earlier days; those at another time of day (UTC) count nothing.
        length: of a bar, ns.
        starts_at: of the stretch, market ns. Days before it are counted back by 24 hours.
    """
    edges = [takes_ns * n // slices for n in range(slices + 1)]
    days: dict[int, list[float]] = {}
    for bar in bars:
        back = -((bar.start - starts_at) // DAY)  # days before
        for day in (back, back - 1):  # a bar may reach over the beginning of the stretch
            begins = bar.start - (starts_at - day * DAY)
            if not 1 <= day <= DAYS or begins >= takes_ns or begins + length <= 0 or not bar.volume > 0:
                continue
            sums = days.setdefault(day, [0.0] * slices)
            for n in range(slices):
                covered = min(begins + length, edges[n + 1]) - max(begins, edges[n])
                if covered > 0:
                    sums[n] += bar.volume * covered / length
    if not days:
        return None
    shares = [[volume / sum(sums) for volume in sums] for _, sums in sorted(days.items())]
    return tuple(round(_WHOLE * sum(column) / len(shares)) for column in zip(*shares, strict=True))
