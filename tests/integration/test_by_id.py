"""Backtests and searches by the beginning of their ids, on a real Postgres."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec
import pytest

from libs.common.database import Database, Write
from libs.store import backtests, searches
from libs.store.by_id import NotOne

A, B = UUID("ab0a0000-0000-4000-8000-000000000000"), UUID("ab0b0000-0000-4000-8000-000000000000")
KINDS = [
    pytest.param("backtest", backtests.found, "fleet backtest results", id="backtests"),
    pytest.param("search", searches.found, "fleet backtest searches", id="searches"),
]
Found = Callable[[Database, str], Awaitable[Any]]


@pytest.fixture
async def stored(database: Database) -> Database:
    """Two of each kind whose ids begin alike."""
    texts = {field.name: "" for field in msgspec.structs.fields(searches.Finished) if field.type is str}
    search = searches.Finished(**texts | {"spec": b"{}", "result": {}, "trials": [], "seconds": 0.0})  # type: ignore[arg-type]
    empty = Write("truncate backtests, backtest_searches cascade", ())
    await database.write([empty, *(write for id_ in (A, B) for write in (backtests.queued(id_, b"{}"), *searches.stored(id_, search)))])
    return database


@pytest.mark.parametrize(("called", "found", "listed_by"), KINDS)
async def test_an_id_that_is_not_there_is_told_with_what_lists_those_there_are(
    stored: Database, called: str, found: Found, listed_by: str
) -> None:
    with pytest.raises(NotOne, match=f"no {called} has an id that begins with 'abc'; `{listed_by}`"):
        await found(stored, "abc")


@pytest.mark.parametrize(("called", "found", "listed_by"), KINDS)
async def test_a_beginning_that_several_ids_share_is_told_with_those_ids(
    stored: Database, called: str, found: Found, listed_by: str
) -> None:
    with pytest.raises(NotOne, match=f"more than one {called} begins with 'ab': .*{A}") as told:
        await found(stored, "ab")
    assert str(B) in str(told.value)


@pytest.mark.parametrize(("called", "found", "listed_by"), KINDS)
async def test_as_much_of_an_id_as_is_its_alone_finds_it_in_upper_case_too(
    stored: Database, called: str, found: Found, listed_by: str
) -> None:
    assert (await found(stored, "AB0A")).id == A
    assert (await found(stored, str(B))).id == B
