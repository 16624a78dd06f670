from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.identity import client_order_id
from libs.domain.reconciling import Amounts, Difference, agreed, differences, owner

D = Decimal
AMOUNTS = st.dictionaries(st.sampled_from(["USD", "ALFA", "BTC/USD"]), st.decimals(-100, 100, places=3))


@given(AMOUNTS, AMOUNTS, st.sampled_from(["USD", "ALFA"]), st.decimals(-50, 50, places=3))
def test_what_both_sides_trade_leaves_every_item_what_it_was(
    ours: dict[str, Decimal], theirs: dict[str, Decimal], name: str, moved: Decimal
) -> None:
    before = differences(Amounts({}, ours), Amounts({}, theirs))
    after = differences(
        Amounts({}, ours | {name: ours.get(name, D(0)) + moved}), Amounts({}, theirs | {name: theirs.get(name, D(0)) + moved})
    )
    assert [found.item("a").id for found in after] == [found.item("a").id for found in before]
    assert agreed(before, after) == after


@given(AMOUNTS, AMOUNTS)
def test_following_the_venue_leaves_no_difference(ours: dict[str, Decimal], theirs: dict[str, Decimal]) -> None:
    found = differences(Amounts(ours, {}), Amounts(theirs, {}))
    followed = ours | {one.key: one.ours + one.missing for one in found}
    assert differences(Amounts(followed, {}), Amounts(theirs, {})) == []


@pytest.mark.parametrize(
    "other",
    [
        Difference("cash", "ALFA", D(1), D(3)),
        Difference("position", "BRVO", D(1), D(3)),
        Difference("position", "ALFA", D(1), D("3.1")),
    ],
    ids=["kind", "key", "amount"],
)
def test_an_item_is_named_by_its_kind_its_key_and_how_much_is_missing(other: Difference) -> None:
    first = Difference("position", "ALFA", D(1), D(3))
    assert first.item("a").id == Difference("position", "ALFA", D("5.00"), D(7)).item("a").id
    assert len({first.item("a").id, first.item("b").id, other.item("a").id}) == 3


@pytest.mark.parametrize(
    ("id_", "whose"),
    [
        (client_order_id("TWND", UUID(int=7), 1), "ours"),
        (client_order_id("ELSE", UUID(int=7), 1), "foreign"),
        ("web-123", "external"),
        ("214b29a3-2345-4321-92dd-39153e2b6fc5", "external"),
        ("214b29a323454321" * 2, "external"),
        ("TWND", "external"),
    ],
)
def test_whose_an_order_is_stands_in_its_id(id_: str, whose: str) -> None:
    assert owner(id_, "TWND") == whose
