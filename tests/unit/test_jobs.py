"""Jobs without their loops: configuration, the pure parts of each kind, and what the operator reads."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from fleet import jobs as commands
from libs.common.settings import ConfigError
from libs.domain.identity import job_run_id
from libs.domain.jobs import KINDS
from libs.domain.times import SECOND
from libs.quant.calendars import DAY
from libs.store.jobs import Listed, Past
from libs.store.queries.days import Day, Halt, Refused, Traded, Worth
from libs.store.retention import Played
from services.scheduler import configuration
from services.scheduler.duty import Failed
from services.scheduler.jobs import end_of_day, parity, reconciliation
from services.scheduler.jobs.retention import droppable, windows_of
from services.scheduler.jobs.session_events import events

D = Decimal
JOB = '[[job]]\nid = "a"\nkind = "partitions"\nclock = "host"\nschedule = "daily 12:00 UTC"\n'


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


# --- configuration


def test_the_jobs_that_come_with_the_fleet_can_be_used_and_are_of_every_kind() -> None:
    planned = configuration.read(Path(__file__).parents[2] / "config", "test")
    assert sorted(job.config.kind for job in planned) == sorted(KINDS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (JOB.replace("partitions", "party"), "line 3: Invalid value 'party' .*; kinds are session_events, .*retention"),
        (JOB.replace("daily 12:00", "daily"), "line 5: expected one of at open"),
        (JOB + 'calendar = "session"\n', "line 6: a job by host time has no session"),
        (JOB + JOB.replace("host", "market"), "line 7: another job is called 'a'"),
        (JOB + "timeout_s = 0\n", "line 6: Expected `float` > 0.0"),
        (JOB + "hourly = true\n", "line 6: Object contains unknown field `hourly`"),
        (JOB.replace("partitions", "session_events"), "line 5: what opens and closes is told when it does"),
        (JOB.replace("partitions", "retention") + "[job.params]\njournal = 0\n", "line 7: Expected `int` >= 1"),
    ],
)
def test_a_job_that_cannot_be_used_is_named_with_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "jobs.toml").write_text(text)
    with pytest.raises(ConfigError, match=f"jobs.toml, {said}"):
        configuration.read(tmp_path, "test")


def test_a_run_has_the_same_id_whoever_makes_it_and_another_for_another_time() -> None:
    assert job_run_id("a", "s", 1) == job_run_id("a", "s", 1)
    assert len({job_run_id("a", "s", 1), job_run_id("b", "s", 1), job_run_id("a", "t", 1), job_run_id("a", "s", 2)}) == 4


# --- session events


def test_a_market_opens_and_closes_where_it_was_closed_before_or_after() -> None:
    found = events(["us_equity"], at("2025-01-06T20:59"), at("2025-01-07T14:30"))
    assert [(event.text(), event.at) for event in found] == [
        ("NYSE closes", at("2025-01-06T21:00")),
        ("NYSE opens", at("2025-01-07T14:30")),
    ]


def test_a_market_that_goes_on_through_the_end_of_its_day_says_nothing() -> None:
    assert events(["24/7", "forex"], at("2025-01-06T12:00"), at("2025-01-08T12:00")) == []
    weekend = events(["forex"], at("2025-01-10T21:00"), at("2025-01-13T12:00"))
    assert [(event.what, event.at) for event in weekend] == [("closes", at("2025-01-10T22:00")), ("opens", at("2025-01-12T22:00"))]


def test_no_event_is_told_twice_by_runs_that_follow_each_other() -> None:
    opens = at("2025-01-07T14:30")
    assert len(events(["us_equity"], opens - 1, opens)) == 1
    assert events(["us_equity"], opens, opens + SECOND) == []


# --- the end of a day


def a_day(**changed: Any) -> Day:
    values: dict[str, Any] = {
        "account_id": "paper",
        "day": date(2025, 1, 6),
        "currency": "USD",
        "worth": [
            Worth("", D("100123.45"), D("80000"), D("123.45"), D("123.45")),
            Worth("fast", D(0), D(0), D("-10"), D("-10")),
        ],
        "traded": [Traded("fast", 12, D("-7.5"), D("2.5"), 0.00042), Traded("slow", 1, D(0), D(0), None)],
        "refused": [Refused("RC-B02", 5), Refused("RC-B10", 1)],
        "halts": [Halt("max_daily_loss", datetime(2025, 1, 6, 19, 30, tzinfo=UTC), 0.021, 0.02, True)],
    }
    return Day(**(values | changed))


def test_a_days_report_tells_worth_trades_refusals_and_halts() -> None:
    assert end_of_day.headline([a_day()]) == "Day 2025-01-06, paper +123.45 USD, 13 trades"
    assert end_of_day.report(a_day()).splitlines() == [
        "## paper, 2025-01-06",
        "",
        "Equity 100,123.45 USD, cash 80,000.00; the day +123.45, since the beginning +123.45.",
        "",
        "| strategy | day P&L | trades | realised | fees | worst slippage |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| fast | -10.00 | 12 | -7.50 | 2.50 | +4.2 bps |",
        "| slow | - | 1 | +0.00 | 0.00 | - |",
        "",
        "Refused: RC-B02 5, RC-B10 1",
        "",
        "**Halted** at 2025-01-06 19:30:00 UTC, market time: max_daily_loss 2.10% (limit 2.00%); the account may only close until it"
        " is re-armed.",
    ]


def test_a_day_without_snapshots_or_trades_says_so() -> None:
    empty = a_day(worth=[], traded=[], refused=[], halts=[])
    assert end_of_day.headline([empty]) == "Day 2025-01-06, 0 trades"
    assert "There is no snapshot of this day" in end_of_day.report(empty)
    assert end_of_day.report(empty).endswith("Nothing was traded.")


# --- parity and reconciliation


def an_answer(mode: str, **causes: int) -> parity.Answer:
    return parity.Answer(account="paper", mode=mode, signals=10, orders=4, trades=3, causes=causes)


def test_in_lockstep_a_difference_is_a_failure_with_its_counts() -> None:
    assert parity.judged([an_answer("lockstep")], "2025-01-06").detail == "2025-01-06: paper: 10 signals, 4 orders, 3 trades, equal"
    with pytest.raises(Failed, match=r"differ, 3 times, .*3 differences \(data 1, follows 2\)"):
        parity.judged([an_answer("lockstep", data=1, follows=2), an_answer("free", timing=9)], "2025-01-06")


def test_free_running_differences_are_explained_not_a_failure() -> None:
    assert parity.judged([an_answer("free", timing=9)], "2025-01-06").detail.endswith(
        "9 differences (timing 9); the session runs free, so these are explained, not a failure"
    )


def test_of_many_differences_some_are_named() -> None:
    said = reconciliation.listed([f"fault {n}" for n in range(12)]).splitlines()
    assert (said[0], said[-1], len(said)) == ("- fault 0", "- and 2 more", 11)


# --- retention

MONTHS = [date(2013, 10, 1), date(2018, 4, 1), date(2024, 12, 1), date(2025, 1, 1), date(2025, 2, 1)]


def months_kept(played: list[Played], now: str = "2025-01-20", days: int = 10) -> list[str]:
    gone = droppable(MONTHS, windows_of(played, at(now), days))
    return [f"{month:%Y-%m}" for month in MONTHS if month not in gone]


def test_months_that_end_before_the_days_to_be_kept_are_dropped() -> None:
    assert months_kept([]) == ["2025-01", "2025-02"]
    assert months_kept([], now="2025-01-10T00:00:01", days=10) == ["2024-12", "2025-01", "2025-02"]


def test_a_running_session_keeps_the_month_it_is_in_however_long_ago_it_was_begun() -> None:
    assert "2013-10" in months_kept([Played(at("2013-10-07"), 0, running=True, days_ago=400.0)])


def test_a_session_keeps_its_quotes_for_so_many_days_after_it_was_played() -> None:
    assert "2018-04" in months_kept([Played(at("2018-04-04"), 0, running=False, days_ago=9.9)])
    assert "2018-04" not in months_kept([Played(at("2018-04-04"), 0, running=False, days_ago=10.1)])


def test_a_session_that_has_gone_on_for_years_keeps_the_last_days_only() -> None:
    live = Played(at("2025-01-20"), at("2025-01-20") + DAY, running=True, days_ago=2_000.0)
    assert months_kept([live]) == ["2025-01", "2025-02"]


# --- what the operator reads


def a_run(**changed: Any) -> Past:
    when = datetime(2026, 1, 5, 12, tzinfo=UTC)
    values: dict[str, Any] = {
        "id": UUID(int=1),
        "job_id": "retention",
        "session_id": "",
        "scheduled_for": when,
        "asked_by": "schedule",
        "state": "done",
        "detail": "deleted: journal 5",
        "created_at": when,
        "started_at": when,
        "finished_at": when.replace(second=2),
    }
    return Past(**(values | changed))


def test_jobs_are_listed_with_what_is_next_and_what_failed() -> None:
    failed = a_run(state="failed", detail="no room")
    job = Listed(job_id="retention", about="", clock="host", schedule="daily 03:30 UTC (24/7)", enabled=True, next_at=None, last=failed)
    said = commands.list_text([job, Listed(job_id="b", about="", clock="host", schedule="x", enabled=False, next_at=None, last=None)])
    assert said.splitlines()[1].split() == "retention host daily 03:30 UTC (24/7) - failed 2026-01-05 12:00:02".split()
    assert "by hand only" in said
    assert said.endswith("retention failed: no room")


def test_the_history_tells_who_asked_and_how_long_it_took() -> None:
    said = commands.history_text([a_run(asked_by="ann")])
    assert "2.0 s  (by ann) deleted: journal 5" in said


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({}, 0, "retention done: deleted: journal 5"),
        ({"state": "failed", "detail": "no room"}, 1, "fleet: retention failed: no room"),
        ({"state": "queued", "finished_at": None}, 1, "retention is queued, and no scheduler is at work"),
    ],
)
def test_a_run_that_was_waited_for_ends_with_its_outcome(changed: dict[str, Any], code: int, said: str) -> None:
    answer = commands.ended(a_run(**changed))
    assert (answer.code, said in answer.text) == (code, True)
