"""Odd answers: what Alpaca's words mean where they are not as documented, and that no words at all can break us."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.domain.orders import Evidence, Order
from libs.domain.trades import Fill
from libs.venues.alpaca import outcomes
from libs.venues.alpaca.history import Page
from libs.venues.alpaca.known import MOST, KnownOrders
from libs.venues.alpaca.order_body import order_body, time_in_force
from libs.venues.alpaca.requests import PAUSE_S, Answer, retry_after_s
from libs.venues.alpaca.ticks import KINDS, Told, tick_of
from libs.venues.alpaca.updates import fill_of, report_of, standing
from libs.venues.alpaca.wire import Account, Activity, OrderState, Unreadable, Update, exec_key, read, side_of, status_of, time_ns
from libs.venues.broker import OrderReport, OutcomeUnknown, Refused
from tests.factories import NOON, SECOND
from tests.paper import ALFA, COIN, D, an_order
from tests.scripted_alpaca import payload

OURS = payload("order")["client_order_id"]


def said(body: Any, kind: type[Any]) -> Any:
    return read(json.dumps(body).encode(), kind)


def an_update(event: str = "partial_fill", order: dict[str, Any] | None = None, **fields: Any) -> Update:
    data = payload("update_fill")["data"]
    update: Update = said({**data, "event": event, "order": data["order"] | (order or {}), **fields}, Update)
    return update


# --- numbers


@pytest.mark.parametrize("written", ["4", 4, 4.0, "4.000000000", "4e0"])
def test_a_number_is_the_same_however_it_is_written(written: Any) -> None:
    fill = report_of(an_update(qty=written, order={"filled_qty": written}), OURS)
    assert isinstance(fill, Fill)
    assert fill.quantity == D(4)
    assert fill.exec_key == f"{payload('order')['id']}:4"


@pytest.mark.parametrize("digits", ["0.123456789", "100000000000.000000001", "1e-9", "0.1"])
def test_no_digit_is_lost_whether_it_comes_as_string_or_number(digits: str) -> None:
    for written in (f'"{digits}"', digits):
        body = json.dumps(payload("activity")).replace('"qty": "4"', f'"qty": {written}').encode()
        assert fill_of(read(body, Activity), OURS).quantity == D(digits)


def test_an_exec_key_is_written_out_plainly() -> None:
    keys = [exec_key("o", D(quantity)) for quantity in ("100", "1E+2", "100.00", "0.50", "1e-9")]
    assert keys == ["o:100", "o:100", "o:100", "o:0.5", "o:0.000000001"]


@pytest.mark.parametrize("number", ["NaN", "sNaN", "Infinity", "-4", "0", None, "1e999999", "", "four"])
def test_a_fill_of_no_possible_quantity_is_not_read(number: Any) -> None:
    with pytest.raises(Unreadable):
        report_of(an_update(order={"filled_qty": number}), OURS)
    with pytest.raises(Unreadable):
        fill_of(said(payload("activity", price=number), Activity), OURS)


# --- fields and words


@pytest.mark.parametrize("changed", [{"execution_id": None}, {"position_qty": None}, {"a_field_of_the_future": [{}]}])
def test_what_we_do_not_need_may_be_missing_null_or_new(changed: dict[str, Any]) -> None:
    assert report_of(an_update(**changed), OURS) == report_of(an_update(), OURS)


@pytest.mark.parametrize("missing", ["qty", "price", "timestamp"])
def test_a_fill_without_what_makes_it_one_is_not_read(missing: str) -> None:
    with pytest.raises(Unreadable, match=f"expected .*{missing}"):
        report_of(an_update("fill", None, **{missing: None}), OURS)


@pytest.mark.parametrize("word", ["parked", "", "FILLED", "accepted_for_bidding", "done_for_day", "stopped", "calculated", "replaced"])
def test_only_a_word_that_is_known_to_end_an_order_ends_it(word: str) -> None:
    order = said(payload("order", status=word), OrderState)
    assert status_of(order) == "open"
    report = standing(order, OURS, 1, "")
    assert report is not None
    assert report.evidence is Evidence.ACCEPTED


@pytest.mark.parametrize(
    ("status", "evidence"), [("canceled", Evidence.CANCELED), ("expired", Evidence.EXPIRED), ("rejected", Evidence.REJECTED)]
)
def test_an_event_of_any_name_says_what_its_order_has_come_to(status: str, evidence: Evidence) -> None:
    report = report_of(an_update("an_event_of_the_future", order={"status": status}), OURS)
    assert isinstance(report, OrderReport)
    assert (report.evidence, report.filled) == (evidence, D(4))


def test_a_rejected_cancel_means_look_it_up() -> None:
    report = report_of(an_update("order_cancel_rejected"), OURS)
    assert isinstance(report, OrderReport)
    assert report.evidence is Evidence.CANCEL_REFUSED


def test_a_filled_order_is_told_by_its_fills_alone() -> None:
    assert report_of(an_update("calculated", order={"status": "filled"}), OURS) is None


@pytest.mark.parametrize(("word", "side"), [("buy", "buy"), ("sell", "sell"), ("sell_short", "sell")])
def test_a_short_sale_is_a_sale(word: str, side: str) -> None:
    assert side_of(word) == side


@pytest.mark.parametrize("word", ["", "BUY", "hold"])
def test_a_side_that_is_none_is_not_guessed(word: str) -> None:
    with pytest.raises(Unreadable):
        side_of(word)


@pytest.mark.parametrize(
    ("text", "since_five"),
    [
        ("2025-01-06T15:05:00Z", 0),
        ("2025-01-06T10:05:00-05:00", 0),
        ("2025-01-06T15:05:00.000000001Z", 1),
        ("2025-01-06T10:05:00.12-05:00", 120_000_000),
    ],
)
def test_times_are_read_to_the_nanosecond_in_any_zone(text: str, since_five: int) -> None:
    assert time_ns(text, "t") == 1_736_175_900 * SECOND + since_five


@pytest.mark.parametrize("blocked", ["trading_blocked", "account_blocked", "trade_suspended_by_user"])
def test_an_account_that_may_not_trade_says_why(blocked: str) -> None:
    assert said(payload("account"), Account).hindrance() == ""
    assert said(payload("account", **dict.fromkeys((blocked,), True)), Account).hindrance() != ""
    assert "SUBMITTED" in said(payload("account", status="SUBMITTED"), Account).hindrance()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("30", 30.0), ("0.5", 0.5), ("-3", 0.0), ("Fri, 27 Nov 2026 00:00:10 GMT", 10.0), (None, PAUSE_S), ("soon", PAUSE_S), ("", PAUSE_S)],
)
def test_retry_after_holds_seconds_or_a_date_or_nonsense(header: str | None, seconds: float) -> None:
    assert retry_after_s(header, 1_795_737_600.0) == pytest.approx(seconds)


# --- our own words


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"expires_at": NOON + 3 * 3600 * SECOND}, "day"),
        ({"expires_at": NOON + 48 * 3600 * SECOND}, "gtc"),  # beyond the session: the day would end it too early
        ({"expires_at": NOON + 48 * 3600 * SECOND, "quantity": D("0.5")}, "day"),  # parts of shares are only taken so
        ({"time_in_force": "IOC"}, "ioc"),
    ],
)
def test_a_date_becomes_the_day_or_until_canceled(changed: dict[str, Any], word: str) -> None:
    stock = msgspec.structs.replace(ALFA, calendar="us_equity")
    order: Order = msgspec.structs.replace(an_order(decided_at=NOON), **changed)
    assert time_in_force(order, stock) == word


def test_crypto_never_ends_with_a_day() -> None:
    assert time_in_force(an_order(symbol="BTC/USD"), COIN) == "gtc"


def test_numbers_leave_without_an_exponent_and_with_the_prices_of_their_kind() -> None:
    order: Order = msgspec.structs.replace(
        an_order(quantity=D("1E+2"), price=None), order_type="trailing_stop", trail=D("0.50"), stop_price=D(90), time_in_force="GTC"
    )
    body = json.loads(order_body(order, ALFA))
    assert {name: body[name] for name in ("qty", "trail_price", "type")} == {"qty": "100", "trail_price": "0.50", "type": "trailing_stop"}
    assert "stop_price" not in body
    assert "limit_price" not in body


# --- orders that are remembered


def test_ended_orders_are_forgotten_in_the_end_and_live_ones_never() -> None:
    known = KnownOrders()
    live = OrderState(id="live", client_order_id="c-live", status="new")
    known.see(live)
    for n in range(MOST + 1):
        known.see(OrderState(id=f"v{n}", client_order_id=f"c{n}", status="filled"))
    assert (known.client_id("v0"), known.venue_id("c0")) == (None, None)
    assert (known.client_id(f"v{MOST}"), known.client_id("live"), known.live()) == (f"c{MOST}", "c-live", ["live"])


# --- whatever comes

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["4", "filled", "buy", "NaN", "1e400"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def spoilt(draw: st.DrawFn, name: str) -> bytes:
    """A payload of which some fields hold anything, or are gone; or the first part of one; or anything at all."""
    whole = payload(name)
    part = whole["data"]["order"] if name == "update_fill" and draw(st.booleans()) else whole.get("data", whole)
    for field in draw(st.lists(st.sampled_from(sorted(part)), max_size=3)):
        part[field] = draw(anything)
        if draw(st.booleans()):
            del part[field]
    body = json.dumps(draw(st.sampled_from([whole, whole.get("data", whole)]) | anything)).encode()
    return body[: draw(st.integers(0, len(body)))] if draw(st.booleans()) else body


def reads(kind: type[Any], use: Callable[[Any], object]) -> Callable[[bytes], None]:
    def check(body: bytes) -> None:
        try:
            use(read(body, kind))
        except Unreadable:
            pass

    return check


@settings(max_examples=50)
@given(spoilt("update_fill"))
def test_any_frame_is_a_report_nothing_or_unreadable(body: bytes) -> None:
    reads(Update, lambda update: report_of(update, OURS))(body)


@settings(max_examples=50)
@given(spoilt("activity"))
def test_any_activity_is_a_fill_or_unreadable(body: bytes) -> None:
    reads(Activity, lambda activity: fill_of(activity, OURS))(body)


@settings(max_examples=50)
@given(spoilt("quote") | spoilt("trade"), st.sampled_from(KINDS))
def test_any_tick_is_a_tick_nothing_or_unreadable(body: bytes, kind: Any) -> None:
    reads(Told, lambda told: tick_of(told, kind, told.symbol))(body)
    reads(Page, lambda page: page.next_page_token)(body)


@settings(max_examples=50)
@given(st.integers(100, 599), spoilt("order") | st.binary(max_size=50))
def test_any_answer_to_an_order_is_accepted_refused_or_unknown(status: int, body: bytes) -> None:
    for judge in (lambda: outcomes.accepted(Answer(status, body), OURS), lambda: outcomes.all_taken(Answer(status, body))):
        try:
            judge()
        except (Refused, OutcomeUnknown):
            continue
        assert 200 <= status < 300


@settings(max_examples=50)
@given(st.integers(500, 599) | st.sampled_from([408, 409, 418, 429]), st.text(max_size=20), st.integers())
def test_what_throttles_or_fails_is_never_a_refusal(status: int, message: str, code: int) -> None:
    body = json.dumps({"code": code, "message": message}).encode()
    with pytest.raises(OutcomeUnknown):
        outcomes.accepted(Answer(status, body), OURS)
    with pytest.raises(OutcomeUnknown):
        outcomes.taken(Answer(status, body))


def test_a_body_that_is_nested_without_end_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        read(b'{"id": ' + b"[" * 100_000, OrderState)
    with pytest.raises(Unreadable):
        read(b'{"of the future": ' + b"[" * 5000 + b"]" * 5000 + b"}", Account)


def test_amounts_are_decimals_from_the_wire_on() -> None:
    assert isinstance(said(payload("account", cash=0.1), Account).cash, Decimal)
    assert said(payload("account", cash=0.1), Account).cash == D("0.1")
