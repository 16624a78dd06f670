"""The table of rights against the code: what a service's modules ask of the record it may read, and no table is forgotten."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from libs.domain.fleet import SERVICES
from libs.domain.streams import CHANNELS
from libs.store.rights import ALL, OPERATOR, RIGHTS, Rights
from libs.store.tables import Base

ROOT: Final = Path(__file__).parents[2]
TABLES: Final = {*Base.metadata.tables, "portfolio_positions", "alembic_version"}
ASKED: Final = re.compile(r"\b(?<!delete )(?:from|join)\s+([a-z_]+)")


@cache
def imported(file: Path) -> frozenset[Path]:
    """The modules of ours that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    paths = {ROOT / f"{name.replace('.', '/')}.py" for name in names if name.startswith(("libs.", "services."))}
    return frozenset(path for path in paths if path.exists())


def reached(folder: Path) -> set[Path]:
    """Every module that can come to run when the folder's do."""
    found = set(folder.rglob("*.py"))
    new = set(found)
    while new:
        new = {path for file in new for path in imported(file)} - found
        found |= new
    return found


@pytest.mark.parametrize("service", sorted(RIGHTS.keys() - {OPERATOR}))
def test_a_service_may_read_every_table_that_its_modules_ask(service: str) -> None:
    asked = {table for file in reached(ROOT / "services" / service) for table in ASKED.findall(file.read_text())} & TABLES
    assert asked <= set(RIGHTS[service].reads)


def test_the_operator_may_read_every_table() -> None:
    assert set(RIGHTS[OPERATOR].reads) == TABLES


def test_every_service_has_its_rights_but_the_one_that_keeps_no_record() -> None:
    assert RIGHTS.keys() - {OPERATOR} == SERVICES.keys() - {"sim_venue"}


def test_no_table_is_written_by_nobody() -> None:
    written = {table for rights in RIGHTS.values() for table in rights.inserts}
    assert Base.metadata.tables.keys() - written == {"journal_counters", "risk_limits"}, "made by migrations, and by functions only"


def test_approvals_are_inserted_by_one_service_and_changed_by_another() -> None:
    assert [name for name, rights in RIGHTS.items() if "orders" in rights.inserts] == ["risk_manager"]
    assert [name for name, rights in RIGHTS.items() if "orders" in rights.updates] == ["trade_executor"]
    assert not [name for name, rights in RIGHTS.items() if "orders" in rights.deletes]


def test_columns_that_are_named_are_there() -> None:
    for rights in RIGHTS.values():
        for table, columns in rights.updates.items():
            assert set(columns) <= set(Base.metadata.tables[table].columns.keys())


def test_whoever_writes_to_a_stream_may_append_at_all() -> None:
    for channel in CHANNELS:
        if channel.stream:
            for writer in channel.writers:
                assert "journal_append" in RIGHTS[OPERATOR if writer == "fleet" else writer].calls


def test_two_rights_together_are_no_less_than_each() -> None:
    some, all_of_it = Rights(updates={"orders": ("status",)}), Rights(updates={"orders": ALL})
    assert (some | all_of_it).updates == (all_of_it | some).updates == {"orders": ALL}
    assert (some | Rights(updates={"orders": ("epoch",)})).updates == {"orders": ("epoch", "status")}
