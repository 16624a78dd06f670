"""The checklist of risk controls names what is there: files, functions and tests."""

import ast
from functools import cache
from pathlib import Path

import pytest

from fleet.risk_controls import CONTROLS, Control

ROOT = Path(__file__).parents[2]
LINES = [f"A{n}" for n in range(1, 18)] + [f"B{n}" for n in range(1, 14)] + [f"C{n}" for n in range(1, 12)] + [f"D{n}" for n in range(1, 8)]


@cache
def defined_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_line_of_the_checklist_has_its_row_in_order() -> None:
    assert [control.code for control in CONTROLS] == LINES


@pytest.mark.parametrize("control", CONTROLS, ids=[control.code for control in CONTROLS])
def test_what_a_row_names_is_there(control: Control) -> None:
    path, _, function = control.where.partition(":")
    assert not path or (ROOT / path).exists()
    assert not function or function in defined_in(path)
    for test in control.tests:
        file, _, name = test.partition("::")
        assert name in defined_in(file)


@pytest.mark.parametrize("control", CONTROLS, ids=[control.code for control in CONTROLS])
def test_a_row_is_shown_by_tests_or_says_what_holds_instead(control: Control) -> None:
    assert not (control.tests and control.later)
