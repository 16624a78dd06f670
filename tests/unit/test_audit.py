"""What a broker has against what was approved: nothing is found of what is as approved, everything of what is not."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as some

from libs.domain.orders import VenueOrder, VenueTerms
from libs.domain.trades import Fill
from libs.quant.risk.audit import Approval, Broker, agreed, compared

D = Decimal


def approved(name: str = "a", **changed: Any) -> Approval:
    """To buy 10 at 100 or better."""
    whole = Approval(str(UUID(int=ord(name[0]))), name, "", "ALFA", "buy", "limit", D(10), D(100), "signal", D(0), True)
    return whole._replace(**changed)


def an_order(name: str = "a", terms: VenueTerms | None = None, **changed: Any) -> VenueOrder:
    return VenueOrder(name, "ALFA", "open", D(10), D(0), terms or VenueTerms("buy", "limit", D(100)))._replace(**changed)


def a_fill(name: str = "a", quantity: int | Decimal = 10, price: str = "100", **changed: Any) -> Fill:
    fields: dict[str, Any] = {"exec_key": f"x-{name}", "client_order_id": name, "symbol": "ALFA", "side": "buy", "quantity": D(quantity)}
    fields |= {"price": D(price), "fee": D(0), "fee_currency": "USD", "liquidity": "taker", "executed_at": 1, "cumulative": D(quantity)}
    return Fill(**(fields | changed))


def found(
    orders: list[VenueOrder] | None = None, fills: list[Fill] | None = None, *approvals: Approval, accepted: set[str] | None = None
) -> list[str]:
    return [finding.what for finding in compared(Broker(orders or [], fills or []), approvals, accepted or set())]


def test_what_is_as_it_was_approved_is_no_finding() -> None:
    better = an_order(terms=VenueTerms("buy", "limit", D(99)), quantity=D(4))
    assert found([better], [a_fill(price="98")], approved()) == []


@pytest.mark.parametrize(
    ("order", "what"),
    [
        (an_order("nobody's"), "unapproved"),
        (an_order(symbol="BETA"), "symbol"),
        (an_order(terms=VenueTerms("sell", "limit", D(100))), "side"),
        (an_order(quantity=D("10.000000001")), "quantity"),
        (an_order(filled=D("10.000000001")), "quantity"),
        (an_order(terms=VenueTerms("buy", "limit", D("100.01"))), "price"),
        (an_order(terms=VenueTerms("buy", "market", None)), "price"),
    ],
)
def test_an_open_order_that_is_not_as_approved_is_found(order: VenueOrder, what: str) -> None:
    assert found([order], [], approved()) == [what]


@pytest.mark.parametrize(
    ("fill", "what"),
    [
        (a_fill("nobody's"), "unapproved"),
        (a_fill(symbol="BETA"), "symbol"),
        (a_fill(side="sell"), "side"),
        (a_fill(quantity=1, cumulative=D("10.000000001")), "quantity"),
        (a_fill(price="100.01"), "price"),
    ],
)
def test_a_fill_that_is_not_as_approved_is_found(fill: Fill, what: str) -> None:
    assert found([], [fill], approved()) == [what]


def test_a_sale_is_worse_below_its_limit() -> None:
    sale = approved(side="sell")
    assert found([], [a_fill(side="sell", price="100.01")], sale) == []
    assert found([], [a_fill(side="sell", price="99.99")], sale) == ["price"]


def test_what_the_record_has_only_because_it_was_found_is_approved_by_nobody() -> None:
    adopted = approved(purpose="external", approved=False)
    assert found([an_order()], [], adopted) == ["unapproved"]
    assert found([], [a_fill()], adopted) == ["unapproved"]


def test_what_a_person_has_accepted_is_no_finding_by_order_or_by_fill() -> None:
    assert found([an_order("hand")], [a_fill("hand")], accepted={"hand"}) == []
    assert found([], [a_fill("hand")], accepted={"x-hand"}) == []


def test_slices_are_counted_against_their_parent_open_ones_whole() -> None:
    parent = approved("p")
    slices = [approved(n, parent_id=parent.order_id, purpose="slice", quantity=D(5)) for n in "st"]
    assert found([an_order("s", quantity=D(5))], [a_fill("t", 5)], parent, *slices) == []
    more = [*slices, approved("u", parent_id=parent.order_id, purpose="slice", quantity=D(1))]
    assert found([an_order("s", quantity=D(5)), an_order("u", quantity=D(1))], [a_fill("t", 5)], parent, *more) == ["children"]


def test_a_parent_that_is_sent_beside_its_slices_is_found() -> None:
    parent = approved("p")
    slice_ = approved("s", parent_id=parent.order_id, purpose="slice", quantity=D(5), filled=D(5))
    assert found([an_order("p")], [], parent, slice_) == ["children"]


def test_two_looks_agree_on_what_is_as_large_in_both() -> None:
    one, other = (compared(Broker([], [a_fill(quantity=n)]), [approved()], set()) for n in (11, 12))
    assert agreed(one, one, "paper") == one
    assert agreed(one, other, "paper") == []


def test_an_order_of_nobodys_stays_the_same_finding_while_it_fills() -> None:
    resting, filled = (compared(look, [], set())[0] for look in (Broker([an_order()], []), Broker([], [a_fill(quantity=3)])))
    assert resting.item("paper").id == filled.item("paper").id != resting.item("other").id


quantities = some.decimals(min_value="0.000000001", max_value=1000, places=9)


@given(quantities, some.lists(quantities, min_size=1, max_size=6))
def test_an_overfill_is_found_exactly_when_there_is_one(most: Decimal, parts: list[Decimal]) -> None:
    total, fills = D(0), []
    for n, part in enumerate(parts):
        total += part
        fills.append(a_fill(exec_key=str(n), quantity=part, cumulative=total))
    assert found([], fills, approved(quantity=most)) == (["quantity"] if total > most else [])
