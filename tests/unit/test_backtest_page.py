"""The pages of a backtest and of a search: whole in themselves, true to their numbers, and readable when there is nothing to see."""

import json
import re
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner

from fleet.cli import app
from fleet.time_left import TimeLeft
from libs.pages.charts import counts
from libs.pages.pictures import RIGHT
from libs.pages.search import search_page
from libs.quant.backtest.play import play
from tests.factories import HandClock, a_setup, a_strategy, a_tape, columns, walks
from tests.fleets import configuration
from tests.search_results import a_search, a_trial, a_walk_forward
from tests.unit.test_backtest_cli import a_file

VOID: Final = {"meta", "line", "rect", "path", "polyline", "polygon", "br"}


class Outline(HTMLParser):
    """Whether every element is closed, and what a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [str(value) for name, value in attrs if name in ("src", "href", "action", "data")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def is_whole(text: str) -> bool:
    outline = Outline()
    outline.feed(text)
    return not outline.open and not outline.fetched and not re.search(r"url\(|@import|\bnan\b", text)


@pytest.fixture
def _surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration(tmp_path / "config")
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.delenv("DATABASE_URL", raising=False)


def reported(folder: Path, *options: str, bars: int = 300) -> tuple[str, dict[str, Any]]:
    """The page and the JSON of a backtest over a small file."""
    asked = ["--data", str(a_file(folder / "bars.csv", bars)), "--strategy", "sma_cross", "--risk", "off", "--sizing", "fixed:1", *options]
    files = ["--report", str(folder / "page.html"), "--report-json", str(folder / "page.json")]
    result = CliRunner().invoke(app, ["backtest", "run", "--no-store", *asked, *files])
    assert result.exit_code == 0, result.output
    return (folder / "page.html").read_text(), json.loads((folder / "page.json").read_bytes())


@pytest.mark.usefixtures("_surroundings")
def test_the_page_is_whole_in_itself_and_says_what_its_numbers_say(tmp_path: Path) -> None:
    text, data = reported(tmp_path, "--param", "fast=3", "--param", "slow=8", "--fee-bps", "2")
    assert is_whole(text)
    review, result = data["review"], data["result"]
    for said in ("sma_cross(fast=3, slow=8)", f"{result['final_equity']:,.2f}", data["fingerprints"]["data"], "Risk controls were off"):
        assert said in text
    assert text.count('class="mark"') == result["trades"] == review["trades"]["closed"] * 2 + review["trades"]["open"]
    assert review["equity"]["values"][-1] == pytest.approx(result["final_equity"])
    assert review["costs"]["fees"] == pytest.approx(result["fees"])
    assert review["equity"]["times"][-1] == result["to"]


@pytest.mark.usefixtures("_surroundings")
@pytest.mark.parametrize("bars", [2, 40])
def test_without_a_trade_the_page_says_so(tmp_path: Path, bars: int) -> None:
    text, data = reported(tmp_path, "--param", "fast=50", "--param", "slow=100", bars=bars)
    assert is_whole(text)
    assert data["review"]["round_trips"] == []
    assert "Nothing was traded" in text
    assert "no trade was closed" in text


@pytest.mark.usefixtures("_surroundings")
def test_a_report_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    (tmp_path / "page.html").mkdir()
    with pytest.raises(AssertionError, match=r"cannot be written to .*page\.html: Is a directory"):
        reported(tmp_path)


# --- searches


def test_the_page_of_a_search_says_first_whether_it_can_be_believed() -> None:
    text = search_page(a_search())
    assert is_whole(text)
    assert text.index("OVERFITTED") < text.index("The best trial") < text.index("Walk-forward")
    assert "60 are counted, 30 of earlier searches" in text
    assert "expected fast below slow, got 20 and 20" in text
    assert "bars.csv: ALFA" in text


def test_a_search_that_was_stopped_says_so_before_anything_else() -> None:
    text = search_page(a_search(stopped="Ctrl-C after 12 of 30 trials", best=None, walk_forward=a_walk_forward(train_figures=None)))
    assert is_whole(text)
    assert text.index("Ctrl-C after 12 of 30 trials") < text.index("The best trial")


def test_folds_of_a_cross_validation_are_shown_beside_chance() -> None:
    folds = [{"tested": [[0, 50], [100, 150]], "chosen": 12, "train": 1.5, "test": 0.25, "median": 0.31}]
    text = search_page(a_search(cross_validation={"scheme": "combinatorial:6:2", "folds": folds, "paths": [0.5, -0.125]}))
    assert is_whole(text)
    assert "<td>0 to 49, 100 to 149</td><td>12</td><td>1.50</td><td>0.25</td><td>0.31</td>" in text
    assert "from -0.12 to 0.50" in text


def test_the_map_has_a_place_for_every_pair_and_marks_the_best() -> None:
    text = search_page(a_search(walk_forward=None))
    assert (text.count("fill-opacity"), text.count('class="none"'), text.count('class="best"')) == (27, 3, 1)
    assert "the best: sma_cross(fast=15, slow=60): Sharpe ratio 1.2" in text


def test_many_trials_of_any_values_and_of_three_parameters_have_maps_too() -> None:
    trials = [a_trial(n, 5 + n % 89, 100 + n * 7 % 301) for n in range(900)]
    for trial in trials:
        trial["params"]["band"] = trial["n"] % 3 / 100
    text = search_page(a_search(trials=trials, best=17, ranges={name: {"low": 0, "high": 1} for name in ("fast", "slow", "band")}))
    assert is_whole(text)
    assert text.count("<figure>") == 3 + 1 + 1
    assert "800 more trials are counted and not listed" in text


def test_a_search_of_one_parameter_or_without_a_trial_that_ran_is_told() -> None:
    alone = [a_trial(n, 5 + n, 50) for n in range(10)]
    assert is_whole(search_page(a_search(trials=alone, best=4)))
    failed = [a_trial(n, 60, 50) for n in range(3)]
    text = search_page(a_search(trials=failed, best=None, deflated=None, overfitting=None, walk_forward=None))
    assert is_whole(text)
    assert "No trial could be run" in text


# --- how far it is


def test_the_last_label_below_counts_ends_where_the_picture_does() -> None:
    labels = re.findall(r'<text class="([a-z ]+)" x="([0-9.]+)" y="196">', counts("Trials", [(0.0, 0.5, 3), (0.5, 1.0, 2)], "percent"))
    assert [(kind.split()[0], float(x) == RIGHT) for kind, x in labels] == [("middle", False), ("middle", False), ("end", True)]


def test_long_work_tells_how_far_it_is_and_short_work_nothing() -> None:
    said, clock = StringIO(), HandClock()
    told = TimeLeft(said, clock, terminal=False)
    told.seen("bars", 0, 1000)
    clock.move(1.0)
    told.seen("bars", 100, 1000)
    assert said.getvalue() == ""
    clock.move(2.0)
    told.seen("bars", 300, 1000)
    clock.move(5.0)
    told.seen("bars", 900, 1000)
    assert said.getvalue() == "fleet: bars: 30% of 1,000, about 7 s left\n"


def test_on_a_terminal_one_line_is_written_over_and_wiped() -> None:
    said, clock = StringIO(), HandClock()
    told = TimeLeft(said, clock, terminal=True)
    for done in (0, 50, 100):
        told.seen("bars", done, 100)
        clock.move(3.0)
    assert said.getvalue() == "\rfleet: bars: 50% of 100, about 3 s left\r" + " " * 39 + "\r"


def test_work_that_has_just_begun_after_long_preparations_is_told_nothing_of() -> None:
    said, clock = StringIO(), HandClock()
    told = TimeLeft(said, clock, terminal=False)
    clock.move(30.0)  # something is compiled
    told.seen("bars", 0, 1_000_000)
    clock.move(0.005)
    told.seen("bars", 8_192, 1_000_000)
    assert said.getvalue() == ""
    clock.move(4.995)
    told.seen("bars", 500_000, 1_000_000)
    assert said.getvalue() == "fleet: bars: 50% of 1,000,000, about 5 s left\n"


def test_how_long_it_will_take_is_told_only_once_it_is_known() -> None:
    said, clock = StringIO(), HandClock()
    told = TimeLeft(said, clock, terminal=True)
    for pause, done in ((60.0, 1), (0.6, 2), (59.4, 4)):  # the first word is that one is done, and two workers end together
        clock.move(pause)
        told.seen("backtests", done, 64)
    first, second, third = said.getvalue().split("\r")[1:]
    assert (first, second) == ("fleet: backtests: 2% of 64", "fleet: backtests: 3% of 64")
    assert third == "fleet: backtests: 6% of 64, about 20 min left"


def test_a_long_tape_tells_of_all_its_bars_those_of_a_panel_together() -> None:
    tape, told = a_tape({"ALFA": columns([100.0] * 9000), "BETA": columns([100.0] * 9000)}), []
    panel = a_strategy("momentum_panel", "panel", params={"lookback": 2})
    play(tape, a_setup(a_strategy(), panel), lambda what, done, of: told.append((done, of)))
    assert told[:6] == [(done, 36_000) for done in (0, 8192, 9000, 17192, 18000, 34384)]


def test_who_listens_changes_nothing() -> None:
    tape, told = a_tape(walks(1, 300, "ALFA")), []
    heard = play(tape, a_setup(), lambda what, done, of: told.append(what))
    assert heard == play(tape, a_setup())
    assert set(told) == {"bars through strategies", "signals through the account"}
