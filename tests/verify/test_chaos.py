"""The floor of `make chaos`, in pieces: what it shows, and that it would not show it if it were not so."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.planted import BUGS
from tests.chaos.points import POINTS

ROOT = Path(__file__).parents[2]


def chaos(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, the JSON object and all else that it said."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", *arguments, "--json"], cwd=ROOT, capture_output=True, text=True, timeout=400, check=False
    )
    print(done.stderr[-4000:])
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.mark.timeout(400)
def test_thirty_kills_lose_and_double_nothing() -> None:
    code, found, said = chaos("--kills", "30", "--seed", "30")
    assert (code, found["kills"], found["lost"], found["duplicated"], found["ledger_difference"]) == (0, 30, 0, 0, 0), said[-4000:]
    assert not any(found["invariants"].values())
    assert found["trades"] > 100


@pytest.mark.timeout(400)
def test_every_moment_of_the_order_path_can_be_the_last_one() -> None:
    code, found, said = chaos("--points", "all", "--faults", "sigkill")
    assert code == 0, said[-4000:]
    assert found["points"]["struck"] == len(POINTS)


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("bug", "letter", "kills"), [("sends_twice", "D", "10"), ("drops_fills", "F", "1")])
def test_a_planted_bug_is_found_and_told_with_its_seed(bug: str, letter: str, kills: str) -> None:
    """Of ten kills the last ones will not come: the fleet finds the doubled orders as well, stops, and is judged as it stands."""
    assert bug in BUGS
    code, found, said = chaos("--kills", kills, "--seed", "8", "--planted", bug)
    assert code == 1
    assert found["invariants"][letter] > 0
    assert f"seed 8: {letter}: " in said
