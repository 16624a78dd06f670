"""Commands of `fleet` in the process of a test, and a drawn file of bars for them to run over."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from typer.testing import CliRunner

from fleet.cli import app

SMA: Final = ("--strategy", "sma_cross", "--param", "fast=3", "--param", "slow=8", "--risk", "off", "--sizing", "fixed:1")


def a_file(path: Path, seed: int, minutes: int = 300) -> Path:
    """Minute bars of one symbol, drawn from the seed; the path."""
    draw, price, at, lines = random.Random(seed), 100.0, datetime(2025, 1, 6, tzinfo=UTC), ["timestamp,open,high,low,close,volume"]
    for n in range(minutes):
        opened, price = price, round(price + draw.gauss(0, 0.2), 2)
        high, low = max(opened, price) + 0.05, min(opened, price) - 0.05
        lines.append(f"{(at + timedelta(minutes=n)).isoformat()},{opened},{high:.2f},{low:.2f},{price},1000")
    path.write_text("\n".join(lines) + "\n")
    return path


def fleet(environment: dict[str, str], *arguments: str | Path, code: int = 0) -> Any:
    """The JSON of a command that ends with this exit code."""
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"], env=environment)
    assert done.exit_code == code, done.output
    return json.loads(done.stdout.splitlines()[-1])


def run(environment: dict[str, str], *arguments: str | Path) -> Any:
    """A backtest of the yardstick by the command."""
    return fleet(environment, "backtest", "run", *SMA, *arguments)
