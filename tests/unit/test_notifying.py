"""What is told, when, on which channel and how much at once: pure, with the time in the test's hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.configuration import ChannelConfig, NotificationsConfig, QuietHours
from libs.domain.gathering import Message, round_of
from libs.domain.notifying import Delivery, Memory, Note, failed, pause_s, plan, quiet_until

NOON = datetime(2025, 1, 6, 12, tzinfo=UTC)
GOTIFY = ChannelConfig(kind="gotify")
NIGHT = msgspec.convert({"from": "22:00", "to": "07:00", "tz": "Europe/Berlin"}, QuietHours)


def a_note(**changed: Any) -> Note:
    values: dict[str, Any] = {"kind": "system", "severity": "warning", "state": "note", "key": "", "title": "x", "body": "", "link": ""}
    return Note(uuid4(), **({**values, "created_at": NOON} | changed))


def firing(at: datetime = NOON, severity: str = "critical") -> Note:
    return a_note(state="firing", key="k", severity=severity, created_at=at)


def resolved(at: datetime = NOON, severity: str = "critical") -> Note:
    return replace(firing(at, severity), id=uuid4(), state="resolved")


def planned(note: Note, *channels: ChannelConfig, quiet: QuietHours | None = None, memory: Memory | None = None) -> list[Delivery]:
    return plan(note, channels or (GOTIFY,), quiet, memory or Memory(), note.created_at)


def states(*notes: Note) -> list[str]:
    """What becomes of notes that come one after another."""
    memory = Memory()
    return [planned(note, memory=memory)[0].state for note in notes]


# --- who is told


def test_a_channel_is_told_what_is_severe_enough_and_of_its_kinds() -> None:
    channels = (GOTIFY, ChannelConfig(kind="email", min_severity="critical"), ChannelConfig(kind="slack", kinds=("trade",)))
    assert [d.channel for d in planned(a_note(), *channels)] == ["gotify"]
    assert [d.channel for d in planned(a_note(severity="critical", kind="trade"), *channels)] == ["gotify", "email", "slack"]


def test_a_test_reaches_the_channels_it_is_for_whatever_they_want() -> None:
    channels = (ChannelConfig(kind="gotify", min_severity="critical"), ChannelConfig(kind="slack", kinds=()))
    assert [d.channel for d in planned(a_note(key="test", severity="info"), *channels)] == ["gotify", "slack"]
    assert [d.channel for d in planned(a_note(key="test:slack", severity="info"), *channels)] == ["slack"]


# --- what is not told twice


def test_the_same_trouble_is_told_once_within_an_hour() -> None:
    assert states(firing(), firing(NOON + timedelta(minutes=59))) == ["waiting", "dropped"]
    assert states(firing(), firing(NOON + timedelta(minutes=60))) == ["waiting", "waiting"]


def test_trouble_that_comes_again_after_its_end_is_told() -> None:
    assert states(firing(), resolved(), firing()) == ["waiting"] * 3


def test_an_end_is_told_once_and_only_after_its_beginning() -> None:
    assert states(resolved()) == ["dropped"]
    assert states(firing(), resolved(), resolved()) == ["waiting", "waiting", "dropped"]


def test_trouble_that_gets_worse_is_told_again() -> None:
    assert states(firing(severity="warning"), firing(severity="critical"), firing(severity="warning")) == ["waiting", "waiting", "dropped"]


def test_notes_stand_for_themselves() -> None:
    assert states(*[a_note(key="k") for _ in range(3)]) == ["waiting"] * 3


def test_what_is_recalled_late_does_not_undo_what_is_known() -> None:
    memory = Memory()
    memory.recall(resolved(NOON + timedelta(minutes=5)))
    memory.recall(firing(NOON))
    assert planned(resolved(NOON + timedelta(minutes=6)), memory=memory)[0].state == "dropped"


def test_what_is_older_than_a_day_is_not_told() -> None:
    (delivery,) = plan(a_note(), [GOTIFY], None, Memory(), NOON + timedelta(hours=24, seconds=1))
    assert (delivery.state, delivery.detail) == ("dropped", "more than 24 hours old")


# --- quiet hours


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2025-01-06T20:59:59Z", None),  # 21:59:59 in Berlin
        ("2025-01-06T21:00:00Z", "2025-01-07T06:00:00Z"),
        ("2025-01-07T05:59:59Z", "2025-01-07T06:00:00Z"),
        ("2025-01-07T06:00:00Z", None),
        ("2025-03-29T23:00:00Z", "2025-03-30T05:00:00Z"),  # the clocks go forward that night
        ("2025-07-01T21:00:00Z", "2025-07-02T05:00:00Z"),
    ],
)
def test_quiet_hours_end_by_the_clock_on_the_wall(at: str, until: str | None) -> None:
    found = quiet_until(datetime.fromisoformat(at), NIGHT)
    assert found == (datetime.fromisoformat(until) if until else None)


def test_at_night_only_what_is_critical_is_told_at_once() -> None:
    night = NOON.replace(hour=23)
    (waits,) = planned(a_note(created_at=night), quiet=NIGHT)
    (goes,) = planned(a_note(created_at=night, severity="critical"), quiet=NIGHT)
    assert (waits.next_at, goes.next_at) == (datetime(2025, 1, 7, 6, tzinfo=UTC), night)


def test_what_waited_for_the_morning_comes_as_one() -> None:
    due = [planned(a_note(created_at=NOON.replace(hour=23, minute=n), title=f"t{n}"), quiet=NIGHT)[0] for n in range(5)]
    (message,) = round_of(due, [], 20, NIGHT, datetime(2025, 1, 7, 6, tzinfo=UTC)).messages
    assert message.title == "5 notifications from the quiet hours"
    assert [line for line in message.body.splitlines() if line.startswith("- ")][0] == "- 23:00 t0"
    assert len(message.covers) == 5


# --- how much at once


def due(count: int, **changed: Any) -> list[Delivery]:
    return [planned(a_note(created_at=NOON + timedelta(seconds=n), title=f"t{n}", **changed))[0] for n in range(count)]


def shown(messages: list[Message]) -> list[str]:
    return [message.title for message in messages]


def test_a_few_come_one_by_one_oldest_first() -> None:
    assert shown(round_of(due(3), [], 20, None, NOON).messages) == ["t0", "t1", "t2"]


def test_beyond_the_rate_the_rest_comes_as_one() -> None:
    assert shown(round_of(due(7), [], 5, None, NOON).messages) == ["t0", "t1", "t2", "t3", "3 more notifications"]


def test_when_the_rate_is_used_up_the_rest_waits_until_the_oldest_is_ten_minutes_old() -> None:
    sent_at = [NOON - timedelta(minutes=9), NOON]
    found = round_of(due(3), sent_at, 2, None, NOON)
    assert (found.messages, found.held_until) == ([], NOON + timedelta(minutes=1))
    later = round_of(due(3), sent_at, 2, None, NOON + timedelta(minutes=1))
    assert shown(later.messages) == ["3 more notifications"]


def test_what_is_critical_is_never_held_back() -> None:
    found = round_of([*due(3), *due(2, severity="critical")], [NOON] * 50, 2, None, NOON)
    assert shown(found.messages) == ["t0", "t1"]
    assert all(message.severity == "critical" for message in found.messages)


def test_of_a_key_the_newest_critical_one_stands_for_those_before() -> None:
    memory = Memory()
    group = [planned(note, memory=memory)[0] for note in (firing(), resolved(NOON + timedelta(seconds=1)))]
    (message,) = round_of(group, [], 20, None, NOON).messages
    assert ([d.note.state for d in message.covers], message.priority) == (["firing", "resolved"], 5)


def test_what_failed_before_goes_after_what_did_not() -> None:
    old, new = due(2, severity="critical")
    assert shown(round_of([failed(old, "no", NOON), new], [], 20, None, NOON).messages) == ["t1", "t0"]


@given(st.lists(st.sampled_from(["info", "warning", "critical"]), max_size=40), st.integers(0, 30), st.integers(2, 12))
def test_every_due_delivery_is_in_one_message_or_held_and_the_rate_is_kept(severities: list[str], used: int, most: int) -> None:
    found_due = [planned(a_note(severity=severity, created_at=NOON))[0] for severity in severities]
    found = round_of(found_due, [NOON - timedelta(minutes=5)] * used, most, None, NOON)
    covered = [delivery.note.id for message in found.messages for delivery in message.covers]
    assert len(covered) == len(set(covered))
    held = {d.note.id for d in found_due} - set(covered)
    assert bool(held) == (found.held_until is not None)
    assert all(d.note.severity != "critical" for d in found_due if d.note.id in held)
    urgent = severities.count("critical")
    assert len(found.messages) <= max(most - used, urgent)


# --- trying again


def test_pauses_grow_from_a_second_to_five_minutes_and_honour_what_is_asked() -> None:
    assert [pause_s(n, 0.0) for n in (1, 2, 3, 9, 10, 500)] == [1, 2, 4, 256, 300, 300]
    assert pause_s(1, 1.0) == 0.5
    assert (pause_s(1, 0.0, 30.0), pause_s(20, 0.0, 30.0), pause_s(1, 0.0, 1e9)) == (30, 300, 3600)


def test_a_delivery_is_given_up_after_a_day() -> None:
    (delivery,) = planned(a_note())
    assert failed(delivery, "no answer", NOON + timedelta(hours=24)).state == "waiting"
    given_up = failed(delivery, "no answer", NOON + timedelta(hours=24, seconds=1))
    assert (given_up.state, given_up.detail) == ("dropped", "given up after 24 hours: no answer")


# --- the configuration


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"quiet_hours": {"from": "22:00", "to": "22:00"}}, "another time than `from`"),
        ({"quiet_hours": {"from": "25:00", "to": "07:00"}}, "quiet_hours.from"),
        ({"quiet_hours": {"from": "22:00", "to": "07:00", "tz": "Berlin"}}, "Expected a time zone"),
        ({"tz": "../../etc/passwd"}, "Expected a time zone"),
        ({"channel": [{"kind": "pigeon"}]}, "Invalid enum value 'pigeon'"),
        ({"channel": [{"kind": "slack"}, {"kind": "slack"}]}, "'slack' twice"),
        ({"most_per_10_minutes": 1}, "most_per_10_minutes"),
        ({"daily_summary": "7"}, "daily_summary"),
        ({"heartbeat_url": "hc-ping.com"}, "begins with http"),
        ({"link_base": "monitor:8008"}, "link_base"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=said.replace("(", r"\(")):
        msgspec.convert(wrong, NotificationsConfig)
