"""What a run has shown, as one JSON object and as a table for people."""

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tests.chaos.findings import LETTERS
from tests.chaos.history import Verdict

Figures = dict[str, Any]


def begun(seed: int) -> Figures:
    """Nothing was done yet, and nothing is wrong."""
    return {
        "kills": 0,
        "faults": 0,
        "orders": 0,
        "lost": 0,
        "duplicated": 0,
        "ledger_difference": 0,
        "invariants": dict.fromkeys(LETTERS, 0),
        "seed": seed,
        "commit": _commit(),
        "machine": f"{os.cpu_count()} cores, {platform.platform()}, Python {platform.python_version()}",
    }


def count(figures: Figures, verdict: Verdict, orders: int) -> None:
    """Adds what one run was found to be."""
    figures["orders"] += orders
    figures["lost"] += verdict.lost
    figures["duplicated"] += verdict.duplicated
    off = verdict.ledger_difference + Decimal(figures["ledger_difference"])
    figures["ledger_difference"] = str(off) if off else 0
    for letter, n in verdict.counts.items():
        figures["invariants"][letter] += n


def is_sound(figures: Figures) -> bool:
    """Whether nothing was lost, doubled or off."""
    return not any((figures["lost"], figures["duplicated"], figures["ledger_difference"], *figures["invariants"].values()))


def quantiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p99 and max, in seconds."""
    ordered = sorted(seconds)
    if not ordered:
        return {}
    return {
        "p50": round(ordered[len(ordered) // 2], 2),
        "p99": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 2),
        "max": round(ordered[-1], 2),
    }


def table(figures: Figures) -> str:
    """Line by line, what is nested indented by its name."""
    rows = list(_rows("", figures))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _rows(prefix: str, found: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in found.items():
        if isinstance(value, Mapping):
            rows += _rows(f"{prefix}{name}.", value)
        elif isinstance(value, list | tuple):
            rows += [(f"{prefix}{name}", str(item)) for item in value]
        else:
            rows.append((f"{prefix}{name}", str(value)))
    return rows


def _commit() -> str:
    done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
