"""Controls of size and price: exactly at the limit an order passes, one step beyond it is refused, and an exit is never trapped."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest

from libs.domain.configuration import LimitName
from libs.domain.orders import Exits
from libs.domain.times import nanoseconds
from libs.quant.risk.assess import assess_all
from libs.quant.risk.flow import Flow
from libs.quant.risk.limits import Limits
from libs.quant.risk.market_state import too_large_overnight
from libs.quant.risk.permits import Permit
from libs.quant.risk.view import Outcomes, Quoted, Terms
from tests.factories import INSTRUMENTS, NOON, SECOND, a_leg, a_limit, a_signal, a_view, an_open_order, the_limits
from tests.gate import ask, code
from tests.paper import ALFA, COIN

BOOK = ("fast", "ALFA")
HELD = {BOOK: 1_000}


def exit_passes(control: str, limits: Any, **facts: Any) -> bool:
    """Whether closing a large book passes, whatever its size."""
    return ask(control, a_leg(-1_000), a_view(positions=HELD, **facts), limits) is None


@pytest.mark.parametrize("scope", ["order", "symbol", "strategy", "account", "fleet"])
def test_order_quantity(scope: str) -> None:
    limits = the_limits(a_limit("max_order_quantity", 10, scope=scope, unit="count"))
    assert ask("order_quantity", a_leg(10), a_view(), limits) is None
    assert code(ask("order_quantity", a_leg(11), a_view(), limits)) == "RC-A04"
    assert exit_passes("order_quantity", limits)


def test_a_quantity_in_fractions_passes_exactly_at_its_limit() -> None:
    limits = the_limits(a_limit("max_order_quantity", 0.3, unit="count"))
    assert ask("order_quantity", a_leg(30_000, instrument=COIN), a_view(), limits) is None
    assert code(ask("order_quantity", a_leg(30_001, instrument=COIN), a_view(), limits)) == "RC-A04"


def test_share_of_volume() -> None:
    limits, traded = the_limits(a_limit("max_adv_share", 0.01, unit="fraction")), {"ALFA": 1_000.0}
    assert ask("share_of_volume", a_leg(10), a_view(volumes=traded), limits) is None
    assert code(ask("share_of_volume", a_leg(11), a_view(volumes=traded), limits)) == "RC-A06"
    assert ask("share_of_volume", a_leg(11), a_view(), limits) is None  # nobody knows yet what trades
    assert exit_passes("share_of_volume", limits, volumes=traded)


def test_usual_size() -> None:
    limits, flow = the_limits(a_limit("max_order_to_median", 10, unit="count")), Flow(medians={"fast": 100.0})
    assert ask("usual_size", a_leg(10), a_view(flow=flow), limits) is None
    assert code(ask("usual_size", a_leg(11), a_view(flow=flow), limits)) == "RC-A06"
    assert ask("usual_size", a_leg(11), a_view(flow=Flow(medians={"slow": 1.0})), limits) is None
    assert exit_passes("usual_size", limits, flow=flow)


USUAL = the_limits(a_limit("max_order_to_median", 10, unit="count"), a_limit("max_adv_share", 0.01, unit="fraction"))
FACTS: dict[str, Any] = {"flow": Flow(medians={"fast": 100.0}), "volumes": {"ALFA": 1_000.0}}
WORD = Permit(UUID(int=7), "fast", "ALFA", "buy", 50)


@pytest.mark.parametrize(
    ("permit", "expected"),
    [
        pytest.param(WORD, None, id="of exactly this quantity"),
        pytest.param(WORD._replace(lots=49), "RC-A06", id="of less"),
        pytest.param(WORD._replace(side="sell"), "RC-A06", id="of the other side"),
        pytest.param(WORD._replace(symbol="BTC/USD"), "RC-A06", id="of another symbol"),
        pytest.param(WORD._replace(strategy_id="slow"), "RC-A06", id="of another strategy"),
    ],
)
@pytest.mark.parametrize("control", ["share_of_volume", "usual_size"])
def test_what_a_person_has_named_passes_and_nothing_larger_nor_anything_else(control: str, permit: Permit, expected: str | None) -> None:
    assert code(ask(control, a_leg(50), a_view(permits=[permit], **FACTS), USUAL)) == expected


def judged(*targets: float, permits: Sequence[Permit] = (WORD,), limits: Limits = USUAL) -> list[tuple[str, UUID | None]]:
    """What becomes of signals for so many shares, one after the other, each of another bar: code, or the permit that was used up."""
    found: list[tuple[str, UUID | None]] = []
    for n, lots in enumerate(targets):
        view = a_view(permits=permits, **FACTS)
        [verdict] = assess_all([], [a_signal(lots / 1_000, bar_time=NOON + n * SECOND)], view, limits)
        permits = view.permits
        found.append((verdict.refusal.code, None) if verdict.refusal else (verdict.kind, verdict.legs[0].permit))
    return found


def test_a_permit_is_used_up_by_the_one_order_that_needs_it() -> None:
    assert judged(5, 50, 50) == [("APPROVED", None), ("APPROVED", WORD.id), ("RC-A06", None)]
    assert judged(50, 50, permits=()) == [("RC-A06", None)] * 2


def test_every_other_control_still_judges_what_was_permitted_and_then_it_is_not_used_up() -> None:
    tight = the_limits(a_limit("max_order_notional", 4_000), a_limit("max_order_to_median", 10, unit="count"))
    assert judged(50, 20, limits=tight) == [("RC-A05", None), ("APPROVED", WORD.id)]


@pytest.mark.parametrize(
    ("bid", "ask_", "expected"),
    [
        pytest.param(99.0, 101.0, None, id="exactly the limit"),
        pytest.param(98.9, 101.0, "RC-A08", id="wider"),
        pytest.param(100.0, 100.0, None, id="locked"),
        pytest.param(100.01, 100.0, "RC-A08", id="crossed"),
    ],
)
def test_sane_quote(bid: float, ask_: float, expected: str | None) -> None:
    limits, quotes = the_limits(a_limit("max_spread", 0.02, unit="fraction")), {"ALFA": Quoted(bid, ask_)}
    assert code(ask("sane_quote", a_leg(1), a_view(quotes=quotes), limits)) == expected
    assert exit_passes("sane_quote", limits, quotes=quotes)


def test_a_crossed_market_is_refused_without_any_limit() -> None:
    assert code(ask("sane_quote", a_leg(1), a_view(quotes={"ALFA": Quoted(101.0, 100.0)}), the_limits())) == "RC-A08"
    assert ask("sane_quote", a_leg(1), a_view(quotes={"ALFA": Quoted(100.0, 300.0)}), the_limits()) is None


@pytest.mark.parametrize(("before", "expected"), [(80.0, None), (79.9, "RC-A08"), (100 / 0.75, None), (134.0, "RC-A08")])
def test_price_jump(before: float, expected: str | None) -> None:
    limits = the_limits(a_limit("max_price_jump", 0.25, unit="fraction"))
    assert code(ask("price_jump", a_leg(1), a_view(before={"ALFA": before}), limits)) == expected
    assert exit_passes("price_jump", limits, before={"ALFA": before})


@pytest.mark.parametrize(
    ("exits", "expected"),
    [
        pytest.param(Exits(stop_bps=1.0), None, id="a stop a tick away"),
        pytest.param(Exits(stop_bps=0.99), "RC-A09", id="a stop nearer than a tick"),
        pytest.param(Exits(trail_bps=1.0, target_bps=1.0), None, id="a pair on either side"),
        pytest.param(Exits(stop_bps=50.0, target_bps=0.5), "RC-A09", id="a target nearer than a tick"),
        pytest.param(Exits(trail_bps=0.5), "RC-A09", id="a trailing distance of less than a tick"),
        pytest.param(Exits(stop_bps=9_999.5), "RC-A09", id="a stop at less than a tick"),
    ],
)
@pytest.mark.parametrize("lots", [1, -1])
def test_protection_sides(exits: Exits, expected: str | None, lots: int) -> None:
    if lots < 0 and exits.stop_bps > 5_000:
        expected = None  # above the market there is room
    leg = a_leg(lots)._replace(protect=exits)
    assert code(ask("protection_sides", leg, a_view(), the_limits())) == expected


def test_listed() -> None:
    view = a_view(terms={"fast": Terms(1.0, symbols=frozenset({"ALFA"})), "slow": Terms(1.0)})
    assert ask("listed", a_signal(), view, the_limits()) is None
    assert code(ask("listed", a_signal(symbol="BTC/USD"), view, the_limits())) == "RC-A13"
    assert ask("listed", a_signal(symbol="BTC/USD", strategy_id="slow"), view, the_limits()) is None


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        pytest.param({}, None, id="no lists"),
        pytest.param({"restricted": "ALFA"}, "RC-A13", id="restricted"),
        pytest.param({"restricted": "BRVO"}, None, id="another is restricted"),
        pytest.param({"allowed": "ALFA"}, None, id="allowed"),
        pytest.param({"allowed": "BRVO"}, "RC-A13", id="only others are allowed"),
    ],
)
def test_permitted_symbol(lists: dict[LimitName, str], expected: str | None) -> None:
    limits = the_limits(*(a_limit(name, 1, scope="symbol", key=symbol, unit="count") for name, symbol in lists.items()))
    assert code(ask("permitted_symbol", a_leg(1), a_view(), limits)) == expected
    assert exit_passes("permitted_symbol", limits)


STOCKS = {**INSTRUMENTS, "ALFA": msgspec.structs.replace(ALFA, calendar="us_equity")}


def at(time: str, timeframe: str = "1m", **changed: Any) -> tuple[Any, Any]:
    """A leg decided at a moment, and its view."""
    now = nanoseconds(time)
    signal = a_signal(decided_at=now, bar_time=now - 60 * SECOND, valid_until=now + 60 * SECOND, timeframe=timeframe)
    leg = a_leg(5, instrument=STOCKS["ALFA"])._replace(signal=signal)
    return leg, a_view(now=now, instruments=STOCKS, **changed)


@pytest.mark.parametrize(
    ("time", "timeframe", "expected"),
    [
        pytest.param("2013-10-07T13:30:00Z", "1m", None, id="at the open"),
        pytest.param("2013-10-07T19:59:59Z", "1m", None, id="in the last second"),
        pytest.param("2013-10-07T20:00:00Z", "1m", "RC-A15", id="at the close"),
        pytest.param("2013-10-05T15:00:00Z", "1m", "RC-A15", id="on a Saturday"),
        pytest.param("2013-11-28T15:00:00Z", "1m", "RC-A15", id="on Thanksgiving"),
        pytest.param("2013-11-29T17:59:59Z", "1m", None, id="before the end of a half day"),
        pytest.param("2013-11-29T18:00:00Z", "1m", "RC-A15", id="after the end of a half day"),
        pytest.param("2013-03-08T14:29:59Z", "1m", None, id="the open of winter time, a bar before it"),
        pytest.param("2013-03-08T14:28:00Z", "1m", "RC-A15", id="the open of winter time, long before it"),
        pytest.param("2013-03-11T13:30:00Z", "1m", None, id="the open of the first day of summer time"),
        pytest.param("2013-03-11T20:00:00Z", "1m", "RC-A15", id="the close of the first day of summer time"),
        pytest.param("2013-10-04T20:00:00Z", "1d", None, id="a daily bar waits for Monday"),
    ],
)
def test_market_open(time: str, timeframe: str, expected: str | None) -> None:
    assert code(ask("market_open", *at(time, timeframe), the_limits())) == expected


@pytest.mark.parametrize(
    ("time", "held", "expected"),
    [
        pytest.param("2013-10-07T19:49:59Z", 100, None, id="a second too early to count"),
        pytest.param("2013-10-07T19:50:00Z", 5, None, id="ten minutes before the close, at the cap"),
        pytest.param("2013-10-07T19:50:00Z", 6, "RC-B13", id="a lot beyond"),
        pytest.param("2013-11-29T17:50:00Z", 6, "RC-B13", id="a half day ends earlier"),
        pytest.param("2013-10-07T19:50:00Z", -100, None, id="less of a short"),
    ],
)
def test_overnight(time: str, held: int, expected: str | None) -> None:
    limits = the_limits(a_limit("max_overnight_notional", 1_000))
    leg, view = at(time, positions={BOOK: held})
    assert code(ask("overnight", leg, view, limits)) == expected


@pytest.mark.parametrize(
    ("time", "books", "seen"),
    [
        pytest.param("2013-10-07T19:49:59Z", {BOOK: 11}, None, id="a second too early to count"),
        pytest.param("2013-10-07T19:50:00Z", {BOOK: 10}, None, id="at the cap"),
        pytest.param("2013-10-07T19:50:00Z", {BOOK: 6, ("slow", "ALFA"): 5}, 1_100.0, id="a lot beyond, by two strategies"),
        pytest.param("2013-10-07T19:50:00Z", {BOOK: 11, ("slow", "ALFA"): -5}, None, id="less, by two strategies"),
        pytest.param("2013-11-29T17:50:00Z", {BOOK: -11}, 1_100.0, id="a short, on a half day"),
        pytest.param("2013-10-07T20:00:00Z", {BOOK: 11}, None, id="the session is over"),
        pytest.param("2013-10-07T19:50:00Z", {("fast", "BTC/USD"): 1_000_000}, None, id="what never closes"),
    ],
)
def test_too_large_overnight(time: str, books: dict[tuple[str, str], int], seen: float | None) -> None:
    limits = the_limits(a_limit("max_overnight_notional", 1_000))
    _, view = at(time, positions=books, open_orders=[an_open_order(100)])
    assert [(found.symbol, found.most, found.seen) for found in too_large_overnight(view, limits)] == (
        [("ALFA", 1_000.0, seen)] if seen else []
    )


def test_what_never_closes_has_no_night() -> None:
    limits = the_limits(a_limit("max_overnight_notional", 1))
    assert ask("overnight", a_leg(1_000, instrument=COIN), a_view(), limits) is None


@pytest.mark.parametrize(
    ("ended", "traded", "canceled", "ordered", "expected"),
    [
        pytest.param(19, 1, 19, 1, None, id="too few to judge by"),
        pytest.param(40, 10, 20, 9, None, id="both exactly at their limits"),
        pytest.param(41, 10, 0, 1, ("RC-B08", False), id="too many orders to a trade: throttled"),
        pytest.param(41, 10, 0, 0, None, id="one a minute passes"),
        pytest.param(80, 10, 0, 1, ("RC-B08", False), id="twice as many is still throttled"),
        pytest.param(81, 10, 0, 0, ("RC-B08", True), id="more than twice as many stops it"),
        pytest.param(40, 40, 21, 1, ("RC-B08", False), id="too many cancels: throttled"),
        pytest.param(40, 40, 31, 0, ("RC-B08", True), id="nearly all of them cancels stops it"),
        pytest.param(40, 0, 0, 0, ("RC-B08", True), id="none traded"),
    ],
)
def test_wasted_orders(ended: int, traded: int, canceled: int, ordered: int, expected: tuple[str, bool] | None) -> None:
    limits = the_limits(a_limit("max_order_to_trade", 4, unit="count"), a_limit("max_cancel_ratio", 0.5, unit="fraction"))
    facts: dict[str, Any] = {
        "outcomes": {"fast": Outcomes(ended, traded, canceled)},
        "flow": Flow(per_minute={"fast": ordered} if ordered else {}),
    }
    refusal = ask("wasted_orders", a_leg(1), a_view(**facts), limits)
    assert (None if refusal is None else (refusal.code, refusal.disables)) == expected
    assert exit_passes("wasted_orders", limits, **facts)


def test_nothing_that_is_not_limited_is_refused() -> None:
    for control in ("order_quantity", "share_of_volume", "usual_size", "price_jump", "permitted_symbol", "overnight", "wasted_orders"):
        facts = {"volumes": {"ALFA": 1e-9}, "before": {"ALFA": 1e-9}, "outcomes": {"fast": Outcomes(99, 0, 99)}}
        assert ask(control, a_leg(10**9), a_view(flow=Flow(medians={"fast": 1e-9}), **facts), the_limits()) is None


LIMITS_OF_VALUE: tuple[LimitName, ...] = ("max_order_quantity", "max_order_notional")


@pytest.mark.parametrize("name", LIMITS_OF_VALUE)
def test_a_limit_of_nothing_lets_nothing_in(name: LimitName) -> None:
    control = name.removeprefix("max_")
    limits = the_limits(a_limit(name, 0, unit="count" if name == "max_order_quantity" else "currency"))
    assert ask(control, a_leg(1), a_view(), limits) is not None
    assert exit_passes(control, limits)


def test_without_equity_a_multiple_of_it_is_nothing() -> None:
    limits = the_limits(a_limit("max_order_notional", 2.0, unit="equity"))
    for cash in (Decimal(0), Decimal(-5)):
        assert code(ask("order_notional", a_leg(1), a_view(cash={"USD": cash}), limits)) == "RC-A05"
