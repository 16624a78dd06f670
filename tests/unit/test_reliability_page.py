"""docs/reliability.md names a test, or a reason, for every failure; the tests that it names are there and are run."""

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))
LINES = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in PAGE.splitlines() if line[:3] in ("| F", "| C")]
ROWS = {row[0]: row for row in LINES}
RUN = [*tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["testpaths"], "tests/verify"]


@cache
def defined_in(path: str) -> set[str]:
    """Names of the tests of a file."""
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_test_that_is_named_is_there_and_is_run(path: str, name: str) -> None:
    assert any(path.startswith(f"{folder}/test_") for folder in RUN), f"{path} is not among what `make test` and `make verify` run"
    assert name in defined_in(path)


@pytest.mark.parametrize("row", [f"F{n}" for n in range(1, 31)] + [f"C{n}" for n in (1, 2, 3, 4, 5, 6, 7, 10)])
def test_every_failure_and_control_has_a_test_or_a_reason_why_not(row: str) -> None:
    shown_by = ROWS[row][-1]
    assert "::test_" in shown_by or re.match(r"not tested here: \w+", shown_by)


def test_nothing_is_claimed_that_cannot_be() -> None:
    claims = PAGE.replace('**No "exactly once".**', "").lower()
    assert [word for word in ("exactly once", "exactly-once", "guarantee", "never fails", "100 %") if word in claims] == []
