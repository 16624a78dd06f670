import asyncio
import os
import pty
import termios
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from fleet.face import Lines
from fleet.plan import Options, Plan
from fleet.screen import choice
from fleet.screen.live import Live
from fleet.screen.picture import Picture, svg
from libs.common.clocks import SystemClock
from tests.fleets import configuration, environment
from tests.screens import a_snapshot


@contextmanager
def on_a_terminal() -> Iterator[None]:
    """stdout is one of 100 columns and 30 rows."""
    person, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (30, 100))
    with open(terminal, "w", encoding="utf-8") as out, redirect_stdout(out):
        yield
    os.close(person)


def chosen(folder: Path, **options: Any) -> object:
    plan = Plan.of(Options(**options), environment(folder / "state", configuration(folder / "config"), TERM="xterm"))
    return choice.face(plan, SystemClock(), asyncio.Event(), lambda: None)


def test_a_run_on_a_terminal_is_shown_live(tmp_path: Path) -> None:
    with on_a_terminal():
        assert isinstance(chosen(tmp_path), Live)


@pytest.mark.parametrize("options", [{"plain": True}, {"json": True}], ids=["--plain", "--json"])
def test_lines_are_told_on_a_terminal_when_asked_for(tmp_path: Path, options: dict[str, bool]) -> None:
    with on_a_terminal():
        assert isinstance(chosen(tmp_path, **options), Lines)


def test_lines_are_told_where_there_is_no_terminal(tmp_path: Path) -> None:
    assert isinstance(chosen(tmp_path), Lines)


def test_a_picture_is_drawn_when_asked_for(tmp_path: Path) -> None:
    assert isinstance(chosen(tmp_path, screenshot=tmp_path / "screen.svg"), Picture)


def test_a_picture_shows_the_screen_and_fetches_nothing() -> None:
    drawn = svg(a_snapshot()).replace("&#160;", " ")
    assert "invented prices" in drawn
    assert "data_collector" in drawn
    assert "url(" not in drawn.replace("url(#", "")
