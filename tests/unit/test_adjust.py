"""What a corporate action makes of a holding, and how the venue's part of it is told apart by book."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.actions import ActionKind, CorporateAction
from libs.domain.booking import action_transaction, book_action, joined
from libs.domain.books import Position
from libs.domain.ledger import imbalance
from libs.quant.exchange.adjust import Share, adjustment, shared
from tests.paper import ALFA, COIN, D

CLOSE = D(645)


def an_action(kind: ActionKind = "split", ratio: str = "1", cash: str = "0", close: Decimal = CLOSE) -> CorporateAction:
    return CorporateAction(
        venue="TEST", symbol="ALFA", effective=1, kind=kind, ratio=D(ratio), cash=D(cash), reference_price=close, new_symbol=""
    )


def books(**held: int | str) -> dict[str, Position]:
    return {name: Position(D(quantity), D(700), D(5)) for name, quantity in held.items()}


@pytest.mark.parametrize(
    ("held", "ratio", "units", "cash"),
    [
        pytest.param(10, "7", 70, "0", id="split"),
        pytest.param(-10, "7", -70, "0", id="split of a short one"),
        pytest.param(30, "0.05", 1, "6450", id="reverse split: half a share is paid at 645 x 20"),
        pytest.param(-30, "0.05", -1, "-6450", id="which the holder of a short one pays"),
        pytest.param(5, "0.05", 0, "3225", id="less than one share is only paid"),
        pytest.param(3, "1.5", 4, "215", id="3:2"),
        pytest.param(0, "7", 0, "0", id="nothing held"),
    ],
)
def test_a_split_gives_whole_lots_and_pays_the_rest_at_the_close_before(held: int, ratio: str, units: int, cash: str) -> None:
    assert adjustment(D(held), an_action(ratio=ratio), ALFA) == (D(units), D(cash))


def test_without_a_close_before_what_is_not_whole_is_lost() -> None:
    assert adjustment(D(30), an_action(ratio="0.05", close=D(0)), ALFA) == (D(1), D(0))


def test_a_finer_lot_leaves_nothing_to_pay() -> None:
    assert adjustment(D(30), an_action(ratio="0.05"), COIN) == (D("1.5"), D(0))


@pytest.mark.parametrize(("held", "cash"), [(10, "4.70"), (-10, "-4.70")])
def test_a_dividend_is_paid_to_the_holder_and_by_the_holder_of_a_short_one(held: int, cash: str) -> None:
    assert adjustment(D(held), an_action("dividend", cash="0.47"), ALFA) == (D(held), D(cash))


def test_a_split_keeps_what_a_book_has_paid_and_won() -> None:
    assert shared(books(a=10, b=-3), D(49), D(0), an_action(ratio="7"), ALFA) == {
        "a": Share(Position(D(70), D(100), D(5)), D(0)),
        "b": Share(Position(D(-21), D(100), D(5)), D(0)),
    }


def test_halves_of_two_books_are_a_whole_share_at_the_venue_and_the_larger_remainder_gets_it() -> None:
    action = an_action(ratio="0.05")
    after, cash = adjustment(D(20), action, ALFA)
    shares = shared(books(a=9, b=11), after, cash, action, ALFA)
    assert {name: (share.position.quantity, share.cash) for name, share in shares.items()} == {"a": (D(0), D(5805)), "b": (D(1), D(-5805))}


def test_a_book_that_is_left_with_nothing_has_no_cost() -> None:
    action = an_action(ratio="0.05")
    assert shared(books(a=5), *adjustment(D(5), action, ALFA), action, ALFA) == {"a": Share(Position(D(0), D(0), D(5)), D(3225))}


def test_dividends_of_a_long_and_a_short_book_are_told_apart() -> None:
    action = an_action("dividend", cash="0.47")
    shares = shared(books(a=10, b=-4), D(6), D("2.82"), action, ALFA)
    assert {name: share.cash for name, share in shares.items()} == {"a": D("4.70"), "b": D("-1.88")}
    assert {name: share.position.quantity for name, share in shares.items()} == {"a": 10, "b": -4}


def test_nobody_holds_it_nobody_shares() -> None:
    assert shared({}, D(0), D(0), an_action(ratio="7"), ALFA) == {}


RATIOS = st.sampled_from(["7", "2", "1.5", "1.25", "0.05", "0.333333333334", "0.256409993422", "1.002700271833"])
HOLDINGS = st.dictionaries(st.sampled_from("abcdef"), st.integers(-500, 500).filter(bool), max_size=6)


@given(ratio=RATIOS, held=HOLDINGS, cash=st.sampled_from(["0", "2.940002969716"]))
def test_units_and_money_of_all_books_sum_to_the_venues(ratio: str, held: dict[str, int], cash: str) -> None:
    action = an_action(ratio=ratio, cash=cash)
    after, paid = adjustment(D(sum(held.values())), action, ALFA)
    shares = shared(books(**held), after, paid, action, ALFA)
    if held:
        assert sum(share.position.quantity for share in shares.values()) == after
        assert sum(share.cash for share in shares.values()) == paid
    assert all(share.position.quantity % ALFA.lot == 0 for share in shares.values())


@given(ratio=RATIOS, held=HOLDINGS)
def test_no_book_is_a_whole_share_off(ratio: str, held: dict[str, int]) -> None:
    action = an_action(ratio=ratio)
    shares = shared(books(**held), *adjustment(D(sum(held.values())), action, ALFA), action, ALFA)
    for name, quantity in held.items():
        assert abs(shares[name].position.quantity - quantity * action.ratio) < 1


# --- in the books


@given(
    before=st.integers(-50, 50),
    after=st.integers(-50, 50),
    cash=st.sampled_from(["0", "-2.5", "4.70"]),
    new_symbol=st.sampled_from(["", "BRVO"]),
)
def test_what_an_action_does_to_a_book_sums_to_zero_in_every_commodity(before: int, after: int, cash: str, new_symbol: str) -> None:
    action = msgspec.structs.replace(an_action("rename"), new_symbol=new_symbol)
    lines = book_action("paper", "fast", action, D(before), D(after), "USD", D(cash))
    assert imbalance(lines) == {}
    held = {line.commodity: line.amount for line in lines if line.ledger_account == "position"}
    moved = {"ALFA": D(-before), "BRVO": D(after)} if new_symbol else {"ALFA": D(after - before)}
    assert held == {symbol: change for symbol, change in moved.items() if change}
    assert sum(line.amount for line in lines if line.ledger_account == "cash") == D(cash)


def test_every_book_has_its_own_transaction_and_the_account_another() -> None:
    action = an_action(ratio="7")
    ids = {book_action("paper", strategy, action, D(1), D(7), "USD", D(0))[0].txn_id for strategy in ("fast", "slow")}
    assert len(ids | {action_transaction("paper", action), action_transaction("other", action)}) == 4


@pytest.mark.parametrize(
    ("moved", "expected"),
    [
        pytest.param(Position(D(10), D(100), D(5)), Position(D(20), D(150), D(7)), id="of one side: costs are averaged"),
        pytest.param(Position(D(-10), D(230), D(5)), Position(D(0), D(0), D(307)), id="of two sides: they close each other"),
    ],
)
def test_a_position_moves_onto_another(moved: Position, expected: Position) -> None:
    assert joined(Position(D(10), D(200), D(2)), moved, D(1)) == expected
