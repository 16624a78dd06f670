"""What Alertmanager sends, and what is made of it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.alertmanager import AGREES, Received, identity, payload_of, received, watched
from libs.domain.faults import Fault

NOON = datetime(2025, 1, 6, 12, tzinfo=UTC)


def an_alert(status: str = "firing", **labels: str) -> dict[str, Any]:
    """As Alertmanager 0.25 to 0.32 send it."""
    return {
        "status": status,
        "labels": {"alertname": "ServiceDown", "severity": "critical", **labels},
        "annotations": {"summary": "risk_manager is down", "description": "It does not answer.", "runbook": "/runbooks/service-down"},
        "startsAt": "2025-01-06T11:59:00.123456Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus:9090/graph?g0.expr=up",
        "fingerprint": "b1946ac92492d234",
    }


def a_payload(*alerts: dict[str, Any], **changed: Any) -> bytes:
    whole = {"version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": "firing", "receiver": "monitor", "groupLabels": {}}
    whole |= {"commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://alertmanager:9093", "alerts": list(alerts)}
    return json.dumps(whole | changed).encode()


def taken(*alerts: dict[str, Any], known: tuple[Received, ...] = (), direct: tuple[str, ...] = ()) -> list[Received]:
    return received(payload_of(a_payload(*alerts)), {one.fault.key: one.fault for one in known}, direct, NOON)


def test_an_alert_is_taken_with_its_words() -> None:
    (one,) = taken(an_alert(fault="service_down:risk_manager"))
    since = datetime(2025, 1, 6, 11, 59, 0, 123456, tzinfo=UTC)
    link = "/runbooks/service-down"
    assert one == ("firing", Fault("service_down:risk_manager", "critical", "risk_manager is down", "It does not answer.", link, since))


def test_one_that_is_sent_again_is_taken_once() -> None:
    first = taken(an_alert(), an_alert())
    assert [one.state for one in first] == ["firing"]
    assert taken(an_alert(), known=tuple(first)) == []


def test_its_end_is_taken_once_and_not_without_a_beginning() -> None:
    (first,) = taken(an_alert())
    assert [one.state for one in taken(an_alert("resolved"), an_alert("resolved"), known=(first,))] == ["resolved"]
    assert taken(an_alert("resolved")) == []


def test_what_a_person_has_heard_directly_comes_quietly_and_so_does_its_end() -> None:
    (first,) = taken(an_alert(fault="feed_stale"), direct=("feed_stale",))
    assert (first.quiet, first.fault.title) == (True, AGREES + "risk_manager is down")
    (end,) = taken(an_alert("resolved", fault="feed_stale"), known=(first,))
    assert end.quiet


def test_without_a_fault_the_name_and_the_labels_are_its_identity() -> None:
    assert identity({"alertname": "Latency", "severity": "warning", "b": "2", "a": "1"}) == "Latency{a=1,b=2}"
    assert identity({"alertname": "Latency", "severity": "critical"}) == "Latency"


def test_the_watchdog_is_no_trouble() -> None:
    payload = payload_of(a_payload(an_alert() | {"labels": {"alertname": "Watchdog"}}))
    assert watched(payload)
    assert received(payload, {}, (), NOON) == []


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "version 4"),
        (b"not json", "version 4"),
        (b"\xff\xfe", "version 4"),
        (b"[]", "Expected `object`, got `array`"),
        (a_payload(version="3"), r"\$\.version"),
        (a_payload({"status": "firing"}), "missing required field `labels`"),
        (a_payload(an_alert("burning")), r"\$\.alerts\[0\]\.status"),
        (a_payload(an_alert(), an_alert(alertname="")), r"\$\.alerts\[1\]"),
        (a_payload(an_alert(alertname="")), r"\$\.alerts\[0\]"),
    ],
)
def test_what_is_no_payload_is_refused_with_the_place(raw: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        payload_of(raw)


@given(st.binary(max_size=300))
def test_no_bytes_break_it(raw: bytes) -> None:
    try:
        payload_of(raw)
    except ValueError:
        pass


def test_what_no_row_can_hold_is_taken_out() -> None:
    (one,) = taken(an_alert(fault="a\x00b") | {"annotations": {"summary": "x" * 10_000 + "\x00"}})
    assert one.fault.key == "ab"
    assert len(one.fault.title) == 200


def test_what_becomes_worse_is_told_again_and_ends_only_as_what_it_has_become() -> None:
    warning, worse = an_alert(fault="disk", severity="warning"), an_alert(fault="disk", severity="critical")
    (first,) = taken(warning)
    (second,) = taken(worse, known=(first,))
    assert (second.state, second.fault.severity) == ("firing", "critical")
    assert taken(warning, an_alert("resolved", fault="disk", severity="warning"), known=(second,)) == []
    assert [one.state for one in taken(an_alert("resolved", fault="disk", severity="critical"), known=(second,))] == ["resolved"]
