"""The judge finds each kind of bug when it is planted in a good history: a checker that finds nothing is worth nothing."""

from collections.abc import AsyncIterator

import psycopg
import pytest

from tests.chaos import venues
from tests.chaos.bugs.histories import ACCOUNT, HISTORIES, History, Planted
from tests.chaos.fills_booked import misbooked
from tests.chaos.history import judge
from tests.chaos.record import read_record
from tests.chaos.short_run import a_short_run


@pytest.fixture(scope="module")
async def history(url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[History]:
    """What a sound run has left behind."""
    folder = tmp_path_factory.mktemp("venue")
    async with a_short_run(url, redis_url, folder) as run:
        assert run.missed == []
    with psycopg.connect(url) as record:
        yield History(read_record(record), venues.sim_venue(folder)[ACCOUNT])


def test_the_history_as_it_is_is_sound(history: History) -> None:
    assert judge(history.record, history.venues).sentences == []


@pytest.mark.parametrize("planted", HISTORIES, ids=lambda planted: planted.name)
async def test_a_planted_bug_is_found(history: History, planted: Planted) -> None:
    found = judge(planted.change(history).record, planted.change(history).venues)
    assert found.counts[planted.letter] > 0, found.sentences


def test_a_fill_that_was_taken_back_and_reversed_is_sound_and_one_that_was_not_is_found(history: History) -> None:
    taken_back, *others = history.venue.made
    trade = next(t for t in history.record.trades if (t.quantity, t.price) == (taken_back.quantity, taken_back.price))
    back = trade._replace(exec_key="bust:1", side="sell" if trade.side == "buy" else "buy", fee=-trade.fee)
    busted = history.there(made=others)
    assert list(misbooked(busted.more(trades=back).record, busted.venues)) == []
    assert list(misbooked(busted.record, busted.venues)) != []


def test_an_account_that_traded_is_not_judged_without_the_log_of_its_venue(history: History) -> None:
    with pytest.raises(ValueError, match="expected the log of the venue of paper"):
        judge(history.record, {})
