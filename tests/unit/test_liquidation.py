from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.kill import Mode
from libs.domain.reconciling import EXTERNAL
from libs.quant.risk.liquidation import Attempts, Plan, Switch, collar_of, order_of, pause_s, plan
from tests.factories import NOON, SECOND, a_view, an_open_order, the_limits

FLEET = Switch("fleet", "", "flatten", 1)
BOOK = ("fast", "ALFA")


def planned(*switches: Switch, tried: Attempts | None = None, **view: Any) -> Plan:
    killed = {(s.scope, s.key): s.mode for s in switches}
    seen = a_view(**({"positions": {BOOK: 70}, "killed": killed} | view))
    return plan(seen, switches, {BOOK: tried} if tried else {}, the_limits(), 0.05)


def test_a_book_that_is_held_is_closed_whole() -> None:
    (found,) = planned(FLEET).exits
    assert (found.side, found.lots, found.price, found.attempt) == ("sell", 70, 9_800, 0)


@pytest.mark.parametrize(
    ("scope", "key", "mode", "closed"),
    [
        ("fleet", "", "flatten", 1),
        ("account", "paper", "flatten", 1),
        ("strategy", "fast", "flatten", 1),
        ("symbol", "ALFA", "flatten", 1),
        ("symbol", "BTC/USD", "flatten", 0),
        ("fleet", "", "reduce_only", 0),
        ("fleet", "", "halt", 0),
    ],
)
def test_only_books_in_the_scope_of_a_flatten_are_closed(scope: str, key: str, mode: Mode, closed: int) -> None:
    found = planned(Switch(scope, key, mode, 1))
    assert (len(found.exits), found.open) == (closed, closed)


@pytest.mark.parametrize(
    ("kills", "closed"),
    [((), [(EXTERNAL, "ALFA")]), ([("fleet", "reduce_only")], [(EXTERNAL, "ALFA")]), ([("fleet", "halt")], [])],
)
def test_a_decision_closes_the_external_book_of_its_symbol_alone(kills: list[tuple[str, Mode]], closed: list[tuple[str, str]]) -> None:
    switches = [Switch(scope, "", mode, 1) for scope, mode in kills]
    positions = {(EXTERNAL, "ALFA"): 5, (EXTERNAL, "BTC/USD"): 5, BOOK: 70}
    seen = a_view(positions=positions, killed={(s.scope, s.key): s.mode for s in switches})
    found = plan(seen, switches, {}, the_limits(), 0.05, closing={"ALFA": Switch("item", "an-item", "flatten", 2)})
    assert [(exit_.strategy_id, exit_.symbol) for exit_ in found.exits] == closed


def test_nothing_is_ordered_while_an_order_of_the_book_is_open() -> None:
    assert planned(FLEET, open_orders=[an_open_order(-70)]) == Plan((), (), 1)


@pytest.mark.parametrize("changed", [{"marks": {}}, {"stale": True}], ids=["no price", "no clock"])
def test_a_book_without_a_price_that_holds_is_stuck(changed: dict[str, Any]) -> None:
    found = planned(FLEET, **changed)
    assert (found.exits, len(found.stuck)) == ((), 1)


@pytest.mark.parametrize(("tried", "price"), [(Attempts(1, 1.0), 9_600), (Attempts(1, 0.9), None), (Attempts(9, 30.0), 9_500)])
def test_each_attempt_goes_farther_after_a_pause(tried: Attempts, price: int | None) -> None:
    assert [found.price for found in planned(FLEET, tried=tried).exits] == ([] if price is None else [price])


@given(attempts=st.integers(0, 10_000))
def test_collars_and_pauses_grow_and_end_somewhere(attempts: int) -> None:
    assert collar_of(0.02, attempts, 0.05) <= collar_of(0.02, attempts + 1, 0.05) <= 0.05
    assert pause_s(attempts) <= pause_s(attempts + 1) <= 30.0


def made(attempt: int, switch: Switch = FLEET) -> Any:
    view = a_view(positions={BOOK: 70}, killed={("fleet", ""): "flatten"})
    (found,) = plan(view, [switch], {BOOK: Attempts(attempt, 1e9, attempt)} if attempt else {}, the_limits(), 0.05).exits
    return order_of(found, view, session_id="s", venue="paper", timeframe="1s", fleet_tag="TEST")


def test_repeated_work_makes_the_same_order_and_another_attempt_another() -> None:
    assert made(0) == made(0)
    ids = {order.order_id for order in (made(0), made(1), made(0, FLEET._replace(set_at=2)))}
    assert len(ids) == 3


def test_it_may_only_reduce_and_lives_for_some_seconds() -> None:
    order = made(0)
    assert (order.purpose, order.reduce_only, order.side) == ("liquidation", True, "sell")
    assert NOON < order.valid_until < order.expires_at <= NOON + 11 * SECOND


@pytest.mark.parametrize(("whole", "lots"), [(69, [69]), (0, [])])
def test_of_a_book_that_is_off_the_grid_the_whole_lots_are_closed(whole: int, lots: list[int]) -> None:
    """One that is rounded up would be more than the book holds, and denied for ever."""
    view = a_view(positions={BOOK: 70}, killed={("fleet", ""): "flatten"})
    found = plan(view, (FLEET,), {}, the_limits(), 0.05, {BOOK: whole})
    assert ([exit_.lots for exit_ in found.exits], len(found.stuck)) == (lots, 0 if lots else 1)


def test_no_two_orders_of_a_book_have_one_id_when_other_switches_are_lifted_meanwhile() -> None:
    """Attempts count anew with the oldest switch that is left, whatever there was before it."""
    first, again = (planned(FLEET, tried=Attempts(2, 60.0, ever)).exits[0] for ever in (2, 4))
    view = a_view()
    ids = [order_of(e, view, session_id="s", venue="paper", timeframe="1s", fleet_tag="TEST").order_id for e in (first, again)]
    assert (first.price == again.price, ids[0] != ids[1]) == (True, True)
