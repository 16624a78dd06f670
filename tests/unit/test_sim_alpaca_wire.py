"""Ids, numbers, times and bars of the Alpaca dialect: what is pure in it, by known values and properties."""

from datetime import date
from decimal import Decimal
from uuid import UUID

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.times import SECOND, nanoseconds
from services.sim_venue.alpaca.bars import timeframe
from services.sim_venue.alpaca.budget import Budget
from services.sim_venue.alpaca.codec import MessagePack
from services.sim_venue.alpaca.data_json import timestamp
from services.sim_venue.alpaca.errors import Problem
from services.sim_venue.alpaca.identity import Of, count_of, uuid_of
from services.sim_venue.alpaca.subscriptions import Subscriptions, Wrong
from services.sim_venue.alpaca.wire import instant, midnight, moment, rounded, text

KINDS: tuple[Of, ...] = ("order", "execution", "report")


@given(kind=st.sampled_from(KINDS), account=st.text("abc-1", max_size=20), count=st.integers(0, 2**62 - 1))
def test_an_id_leads_back_to_its_count_and_is_a_uuid_of_version_8(kind: Of, account: str, count: int) -> None:
    made = uuid_of(kind, account, count)
    assert (made.version, made.variant) == (8, UUID(int=0x8 << 76 | 0b10 << 62).variant)
    assert count_of(kind, account, str(made)) == count


@given(count=st.integers(1, 2**40), other=st.integers(1, 2**40))
def test_ids_of_other_kinds_and_accounts_lead_nowhere(count: int, other: int) -> None:
    assert count_of("order", "a", str(uuid_of("execution", "a", count))) is None
    assert count_of("order", "a", str(uuid_of("order", "b", count))) is None
    assert (uuid_of("order", "a", count) < uuid_of("order", "a", other)) is (count < other)


@pytest.mark.parametrize("garbage", ["", "1", "x" * 36, "00000000-0000-0000-0000-000000000001", "{07d07fec-3948-8000-8000-000000000001"])
def test_what_is_no_id_leads_nowhere(garbage: str) -> None:
    assert count_of("order", "a", garbage) is None


@pytest.mark.parametrize(
    ("value", "shown"), [("100.00", "100"), ("0.50", "0.5"), ("-0", "0"), ("1E+3", "1000"), ("-1.10", "-1.1"), ("0E-9", "0")]
)
def test_decimals_have_no_exponent_and_no_zeros_at_their_end(value: str, shown: str) -> None:
    assert text(Decimal(value)) == shown


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**12), max_value=10**12))
def test_what_is_shown_of_a_decimal_is_all_of_it(value: Decimal) -> None:
    assert Decimal(text(value)) == value
    assert rounded(value, 9) == value


@given(st.integers(0, 4_000_000_000 * SECOND))
def test_a_time_survives_the_wire_without_losing_a_nanosecond(ns: int) -> None:
    assert instant(moment(ns) or "") == ns
    packed = msgpack.unpackb(MessagePack().frame([timestamp(ns)]))[0]
    assert packed.seconds * SECOND + packed.nanoseconds == ns


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2025-01-06", "2025-01-06T00:00:00Z"),
        ("2025-01-06T09:30:00-05:00", "2025-01-06T14:30:00Z"),
        ("2025-01-06T14:30:00.123456789Z", "2025-01-06T14:30:00.123456789Z"),
        ("2025-01-06T14:30:00 00:00", "2025-01-06T14:30:00Z"),  # the + that a client did not quote
    ],
)
def test_times_are_read_as_clients_write_them(written: str, meant: str) -> None:
    assert instant(written) == nanoseconds(meant)


@pytest.mark.parametrize(
    ("frame", "at", "begins"),
    [
        ("15Min", "2025-01-06T14:33:10Z", "2025-01-06T14:30:00Z"),
        ("5T", "2025-01-06T14:34:59.999999999Z", "2025-01-06T14:30:00Z"),
        ("4Hour", "2025-01-06T14:33:10Z", "2025-01-06T12:00:00Z"),
        ("1Day", "2025-01-06T04:59:59Z", "2025-01-05T05:00:00Z"),  # still the day before in New York
        ("1D", "2025-07-07T04:00:00Z", "2025-07-07T04:00:00Z"),  # in summer
        ("1Week", "2025-01-08T15:00:00Z", "2025-01-06T05:00:00Z"),
        ("1Month", "2025-03-31T15:00:00Z", "2025-03-01T05:00:00Z"),
        ("3M", "2025-12-31T15:00:00Z", "2025-10-01T04:00:00Z"),
    ],
)
def test_a_bar_begins_where_alpaca_begins_it(frame: str, at: str, begins: str) -> None:
    assert timeframe(frame)(nanoseconds(at)) == nanoseconds(begins)


@pytest.mark.parametrize("frame", ["", "Min", "0Min", "60Min", "24Hour", "2Day", "5Month", "1min", "1Min ", "-1Min"])
def test_a_length_that_alpaca_does_not_have_is_refused(frame: str) -> None:
    with pytest.raises(Problem, match="invalid timeframe"):
        timeframe(frame)


def test_a_day_of_new_york_begins_at_its_midnight_also_when_the_clocks_change() -> None:
    before, after = midnight(date(2025, 3, 9)), midnight(date(2025, 3, 10))
    assert after - before == 23 * 3600 * SECOND


def test_a_minute_has_its_budget_and_the_next_has_it_again() -> None:
    budget, noon = Budget(), 1_736_164_800 * SECOND
    assert [budget.take("a", "data", 2, noon).remaining for _ in range(3)] == [1, 0, -1]
    assert budget.take("b", "data", 2, noon).remaining == budget.take("a", "trading", 2, noon).remaining == 1
    assert budget.take("a", "data", 2, noon + 60 * SECOND).remaining == 1
    assert budget.take("a", "data", 2, noon).headers["X-RateLimit-Reset"] == "1736164860"


def test_what_a_connection_subscribes_to_has_an_end() -> None:
    subscribed = Subscriptions()
    for n in range(10):
        subscribed.change({"action": "subscribe", "quotes": [f"S{n * 1_000 + k}" for k in range(1_000)]})
    with pytest.raises(Wrong, match="symbol limit exceeded"):
        subscribed.change({"action": "subscribe", "trades": ["S"], "quotes": ["ONE"]})
    assert not subscribed.any("trades")
    assert subscribed.wants("quotes", "S9999")


def test_a_subscription_is_taken_whole_or_not_at_all() -> None:
    held = Subscriptions()
    held.change({"action": "subscribe", "trades": ["AAPL"]})
    with pytest.raises(Wrong):
        held.change({"action": "subscribe", "quotes": ["AAPL"], "trades": 7})
    assert held.wants("trades", "AAPL")
    assert not held.wants("quotes", "AAPL")
    assert held.message()["corrections"] == ["AAPL"]
