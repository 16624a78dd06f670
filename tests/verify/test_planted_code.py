"""The real code with a bug planted in it lives through a short run, and the judge says what that has broken."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.chaos import venues
from tests.chaos.bugs.code import BUGS, Bug
from tests.chaos.history import Verdict, judged
from tests.chaos.short_run import a_short_run


@pytest.fixture
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


async def lived(url: str, redis_url: str, folder: Path) -> tuple[Verdict, list[str]]:
    """The verdict on a run, and what did not come about in it."""
    async with a_short_run(url, redis_url, folder) as run:
        with psycopg.connect(url) as record:
            return judged(record, venues.sim_venue(folder)), run.missed


async def test_without_a_bug_everything_comes_about_and_nothing_is_found(url: str, redis_url: str, tmp_path: Path) -> None:
    verdict, missed = await lived(url, redis_url, tmp_path)
    assert (verdict.sentences, missed) == ([], [])


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
async def test_a_bug_in_the_code_is_found(url: str, redis_url: str, tmp_path: Path, patch: pytest.MonkeyPatch, bug: Bug) -> None:
    bug.plant(patch)
    verdict, missed = await lived(url, redis_url, tmp_path)
    assert verdict.counts[bug.letter] > 0, (verdict.sentences, missed)
