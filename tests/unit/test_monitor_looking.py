"""What the monitor makes of answers and heartbeats, with the clock in the test's hand."""

from pathlib import Path

import aiohttp
import msgspec
import pytest

from libs.common.envelope import Heartbeat
from libs.common.http import ReadyAnswer
from libs.domain.observed import RecordSeen, ServiceSeen, SessionSeen
from services.monitor.couriers import link_of
from services.monitor.looking import RecordEye, ServiceEye, of_readiness, seen_of
from services.monitor.runbooks import FOLDER, markdown, runbook
from tests.factories import HandClock

READY, GONE = ServiceSeen(True), ServiceSeen(False, "refused", answers=False)
SESSION = SessionSeen("session", "synthetic", "free", "running", False, 1)


class Looked:
    """An eye on one service, without the service."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.clock = HandClock()
        self.eye = ServiceEye("risk_manager", "http://127.0.0.1:1", http, self.clock)

    def sees(self, found: ServiceSeen, *, began: float | None = None) -> ServiceSeen:
        self.eye.note(found, self.clock.seconds if began is None else began)
        self.clock.move(1)
        return self.eye.seen

    def hears(self, instance: str, *, leaving: bool = False) -> bool:
        beat = Heartbeat(service="risk_manager", instance=instance, version="v", ready=True, uptime_s=1.0, leaving=leaving)
        self.eye.heard(beat)
        return self.eye.restarted()


@pytest.fixture
async def looked() -> Looked:
    async with aiohttp.ClientSession() as http:
        return Looked(http)


async def test_how_long_counts_from_the_beginning_of_the_first_look_that_failed(looked: Looked) -> None:
    looked.sees(READY)
    looked.clock.move(2)  # the look takes that long
    looked.sees(GONE, began=looked.clock.seconds - 2)
    assert looked.sees(GONE).lasted_s == 4


async def test_an_answer_older_than_the_word_of_leaving_does_not_undo_it(looked: Looked) -> None:
    looked.sees(READY)
    began = looked.clock.seconds
    looked.clock.move(0.1)
    looked.hears("first", leaving=True)
    assert looked.sees(READY, began=began).left
    assert looked.sees(GONE).left
    assert not looked.sees(READY).left
    assert not looked.sees(GONE).left


async def test_only_an_instance_that_comes_without_a_goodbye_before_it_is_a_restart(looked: Looked) -> None:
    beats = [("first", False), ("first", True), ("second", False), ("second", False), ("third", False)]
    assert [looked.hears(instance, leaving=leaving) for instance, leaving in beats] == [False, False, False, False, True]


@pytest.mark.parametrize(
    ("checks", "waits_for", "left"),
    [
        ({"postgres": "refused"}, {"postgres"}, False),
        ({"postgres": "refused", "redis": "unreachable"}, {"postgres", "redis"}, False),
        ({"postgres": "refused", "service": "waits for the database: refused"}, {"postgres"}, False),
        ({"postgres": "refused", "service": "lease lost"}, set(), False),
        ({"service": "leaving"}, set(), True),
    ],
)
def test_what_a_service_waits_for_is_read_from_its_checks(checks: dict[str, str], waits_for: set[str], left: bool) -> None:
    answer = {"ready": False, "checks": {name: {"status": "failing", "detail": detail} for name, detail in checks.items()}}
    seen = of_readiness(msgspec.convert(answer, ReadyAnswer))
    assert (seen.ready, set(seen.waits_for), seen.left) == (False, waits_for, left)


def test_market_time_stands_still_from_when_it_was_first_seen_so() -> None:
    clock = HandClock()
    eye = RecordEye(None, clock)  # type: ignore[arg-type]
    stills = []
    for time, paused in [(1, False), (1, False), (2, False), (2, False), (2, True), (2, False), (2, False)]:
        eye.note(RecordSeen(session=SESSION._replace(market_time=time, paused=paused)))
        stills.append(eye.still_s)
        clock.move(1)
    assert stills == [0, 1, 0, 1, 0, 1, 2]


def test_the_host_is_measured(tmp_path: Path) -> None:
    assert 0 < seen_of(tmp_path).disk_free <= 1
    assert seen_of(tmp_path / "nowhere").disk_free == 1


@pytest.mark.parametrize(
    ("link", "whole"),
    [
        ("", "http://monitor:8008/"),
        ("/runbooks/disk", "http://monitor:8008/runbooks/disk"),
        ("docs/runbooks/disk.md", "http://monitor:8008/runbooks/disk"),
        ("https://elsewhere/x.md", "https://elsewhere/x.md"),
    ],
)
def test_a_link_leads_from_the_phone_to_the_page(link: str, whole: str) -> None:
    assert link_of(link, "http://monitor:8008/") == whole


# --- runbooks


def test_every_runbook_is_served_and_its_links_lead_on() -> None:
    for path in FOLDER.glob("*.md"):
        found = runbook(path.stem)
        assert found is not None
        title, html = found
        assert title == path.read_text().splitlines()[0].removeprefix("# ")
        assert '.md"' not in html


def test_markdown_of_others_brings_no_tags_and_no_scripts() -> None:
    html = markdown("<script>alert(1)</script> [x](javascript:alert(1)) **bold**")
    assert "<script" not in html
    assert "javascript:" not in html.replace("[x](javascript:alert(1))", "")
    assert "<strong>bold</strong>" in html


@pytest.mark.parametrize("slug", ["", "..", "../README", "README.md", "kill-switch/../quarantine", "a" * 65, "KILL-SWITCH", "x\0"])
def test_nothing_but_a_runbook_is_read(slug: str) -> None:
    assert runbook(slug) is None
