from decimal import Decimal
from typing import Any

import msgspec
import pytest

from libs.common.envelope import Sealer, array, genuine, numbered, opened
from libs.domain.messages import PositionUpdate, Signal
from tests.factories import NOON, HandClock, a_signal


def a_sealer() -> Sealer:
    sealer = Sealer("strategy_engine", HandClock())
    sealer.session_id = "session"
    return sealer


def test_a_signal_survives_the_wire_without_losing_a_digit() -> None:
    sent = a_signal(0.1 + 0.2, bar_time=1_700_000_000_000_000_001, reference_price=1e-17)
    body = a_sealer().seal("signals", sent, ts_event_ns=NOON, trace="t")
    [envelope] = opened(array([numbered(body, 7)]))
    assert msgspec.json.decode(envelope.payload, type=Signal) == sent


def test_an_envelope_says_who_when_and_which() -> None:
    sealer = a_sealer()
    [envelope] = opened(array([numbered(sealer.seal("signals", a_signal(), ts_event_ns=NOON, trace="trace"), 7)]))
    assert (envelope.stream, envelope.seq, envelope.producer) == ("signals", 7, "strategy_engine")
    assert (envelope.session_id, envelope.trace) == ("session", "trace")
    assert (envelope.ts_event_ns, envelope.ts_pub_ns) == (NOON, HandClock().now_ns())


def test_an_array_keeps_its_order_and_every_id_is_new() -> None:
    body = [a_sealer().seal("signals", a_signal(), ts_event_ns=NOON) for _ in range(3)]
    envelopes = opened(array(numbered(b, n) for n, b in enumerate(body, start=1)))
    assert [e.seq for e in envelopes] == [1, 2, 3]
    assert len({e.id for e in envelopes}) == 3


def test_decimals_are_strings_on_the_wire() -> None:
    update = PositionUpdate(
        account_id="a",
        strategy_id="s",
        symbol="ALFA",
        quantity=Decimal("0.10"),
        avg_cost=Decimal("1e-12"),
        realized_pnl=Decimal(0),
        market_time=0,
    )
    payload = msgspec.json.decode(opened(array([numbered(a_sealer().seal("portfolio.updates", update, ts_event_ns=0), 1)]))[0].payload)
    assert payload["quantity"] == "0.10"


def test_an_unknown_field_is_ignored_inside_the_fleet() -> None:
    body = numbered(a_sealer().seal("signals", a_signal(), ts_event_ns=NOON), 1)
    assert opened(array([body[:-1] + b',"added_later":{"x":[1]}}']))[0].seq == 1


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff\x00", id="bytes"),
        pytest.param(b"[", id="cut short"),
        pytest.param(b"{}", id="no array"),
        pytest.param(b"[{}]", id="empty envelope"),
        pytest.param(array([a_sealer().seal("signals", 1, ts_event_ns=0)]), id="without its number"),
        pytest.param(
            array([numbered(a_sealer().seal("signals", 1, ts_event_ns=0), 1).replace(b'"seq":1', b'"seq":"1"')]), id="text number"
        ),
    ],
)
def test_what_is_no_array_of_envelopes_is_refused(raw: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        opened(raw)


def test_only_what_was_signed_with_the_key_is_genuine() -> None:
    sealer = Sealer("data_collector", HandClock())
    sealer.key = b"k" * 32
    [envelope] = opened(array([numbered(sealer.seal("market_data.ALFA", {"price": 1}, ts_event_ns=1), 7)]))
    assert genuine(envelope, b"k" * 32) is envelope
    changes: list[dict[str, Any]] = [{"payload": msgspec.Raw(b'{"price":2}')}, {"stream": "market_data.BRVO"}, {"mac": ""}]
    for changed in changes:
        with pytest.raises(ValueError, match="forged"):
            genuine(msgspec.structs.replace(envelope, **changed), b"k" * 32)
    with pytest.raises(ValueError, match="forged"):
        genuine(envelope, b"x" * 32)
