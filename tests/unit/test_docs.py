"""What the pages say of each other, of the CLI, of metrics and alerts must be so."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from fleet import cli
from fleet.monitoring import catalog, files

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
RUNBOOKS = sorted(path for path in (ROOT / "docs" / "runbooks").glob("*.md") if path.name != "README.md")
INDEX = (ROOT / "docs" / "runbooks" / "README.md").read_text()
FORM = ["What you see", "What it means", "Check", "Do", "Escalate"]

_FENCED = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)
_COMMAND = re.compile(r"(?:\.venv/bin/)?fleet ([a-z][^\n#|;&`]*)")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(path: Path) -> str:
    return _FENCED.sub("", path.read_text())


def anchors(path: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in _HEADING.findall(prose(path))]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(path: Path) -> None:
    wrong = []
    for link in _LINK.findall(prose(path)):
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if re.match(r"[a-z]+:", link):
            continue
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            wrong.append(link)
    assert wrong == []


# --- runbooks


@pytest.mark.parametrize("path", RUNBOOKS, ids=name)
def test_a_runbook_has_the_one_form(path: Path) -> None:
    text = prose(path)
    assert re.match(r"# [A-Z]", text)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == FORM
    assert re.search(r"^- \*\*P[0-3]\*\* ", text.partition("## Escalate")[2], re.MULTILINE)
    assert "```sh" in path.read_text().partition("## Check")[2]


def test_every_alert_has_a_runbook_that_names_it_and_is_in_the_index() -> None:
    for alert in files.alerts():
        assert f"`{alert.name}`" in INDEX
        assert f"]({alert.runbook}.md)" in INDEX
        assert f"`{alert.name}`" in (ROOT / "docs" / "runbooks" / f"{alert.runbook}.md").read_text()


def test_every_runbook_is_in_the_index() -> None:
    assert [path.name for path in RUNBOOKS if f"]({path.name})" not in INDEX] == []


# --- commands


def commands(path: Path) -> Iterator[str]:
    """What a page tells to type, in blocks of shell."""
    for block in re.findall(r"```sh\n(.*?)```", path.read_text(), re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            yield from (found.strip() for found in re.findall(r"\.venv/bin/fleet ([^\n#|;&]+)", line))


def complaint(command: str) -> str:
    """Why it cannot be typed so; "" when it can."""
    found: Any = typer.main.get_command(cli.app)
    words = shlex.split(command)
    while words and not words[0].startswith("-") and (below := getattr(found, "commands", None)):
        word = words.pop(0)
        if word not in below:
            return f"no command {word!r} in `fleet {command}`"
        found = below[word]
    known = {option for parameter in found.params for option in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    return next((f"no option {word!r} in `fleet {command}`" for word in words if word.startswith("--") and word not in known), "")


@pytest.mark.parametrize("path", [path for path in PAGES if list(commands(path))], ids=name)
def test_every_command_that_a_page_gives_is_one_of_ours(path: Path) -> None:
    assert [said for command in commands(path) if (said := complaint(command))] == []


def test_a_command_that_is_none_of_ours_is_noticed() -> None:
    assert complaint("risk kil --reason x") == "no command 'kil' in `fleet risk kil --reason x`"
    assert complaint("risk kill --because x") == "no option '--because' in `fleet risk kill --because x`"
    assert complaint("orders status --status open") == ""


# --- metrics


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_metric_that_a_page_names_is_there(path: Path) -> None:
    known = {series for metric in catalog.every() for series in (metric.name, *metric.series)}
    named = set(re.findall(r"\btradewinds_[a-z_]+[a-z]\b(?![(*:])", path.read_text()))
    assert {found for found in named if not any(series.startswith(found) for series in known)} == set()
