"""Quantiles of the newest samples of a duration: for people and benchmarks; dashboards use the histograms."""

from collections import deque


class Latency:
    """The last `size` samples."""

    def __init__(self, size: int = 20_000) -> None:
        self._samples: deque[float] = deque(maxlen=size)

    def observe(self, seconds: float) -> None:
        """Take one in."""
        self._samples.append(seconds)

    def forget(self) -> None:
        """Begin anew."""
        self._samples.clear()

    def quantiles_ms(self) -> dict[str, float | int] | None:
        """Count, median and 99th percentile in milliseconds (nearest rank); None without a sample."""
        ordered = sorted(self._samples)
        if not ordered:
            return None
        at = {"p50": 0.5, "p99": 0.99}
        ranks = {name: min(len(ordered) - 1, int(q * len(ordered))) for name, q in at.items()}
        return {"n": len(ordered), **{name: round(ordered[rank] * 1000, 3) for name, rank in ranks.items()}}
