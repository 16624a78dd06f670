import base64
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.domain.identity import TRANSACTIONS, client_order_id, order_id, order_of_client_id, signal_id, transaction_id

ATTEMPTS = st.integers(1, 1295)
ORDERS = st.uuids()


@given(order=ORDERS, attempt=ATTEMPTS)
def test_a_client_order_id_is_short_alphanumeric_and_names_its_order(order: UUID, attempt: int) -> None:
    made = client_order_id("TWND", order, attempt)
    assert len(made) <= 32
    assert made.isascii()
    assert made.isalnum()
    assert made.startswith("TWND")
    assert order_of_client_id(made) == order


@given(one=st.tuples(ORDERS, ATTEMPTS), other=st.tuples(ORDERS, ATTEMPTS))
def test_two_attempts_never_share_a_client_order_id(one: tuple[UUID, int], other: tuple[UUID, int]) -> None:
    assert (client_order_id("TWND", *one) == client_order_id("TWND", *other)) is (one == other)


def test_every_attempt_of_an_order_has_its_own_id() -> None:
    assert len({client_order_id("TWND", UUID(int=5), n) for n in range(1, 1296)}) == 1295


@pytest.mark.parametrize(("tag", "attempt"), [("TWN", 1), ("TWNDS", 1), ("TW-D", 1), ("TWND", 0), ("TWND", 1296)])
def test_a_tag_or_attempt_that_would_not_fit_is_refused(tag: str, attempt: int) -> None:
    with pytest.raises(ValueError, match="expected a 4-character fleet tag and an attempt of 1 to 1295"):
        client_order_id(tag, UUID(int=1), attempt)


@given(text=st.text(max_size=40))
def test_a_foreign_client_id_is_an_error_or_a_uuid_and_nothing_else(text: str) -> None:
    try:
        assert isinstance(order_of_client_id(text), UUID)
    except ValueError:
        pass


def test_the_same_decision_has_the_same_name_and_any_other_another() -> None:
    base = ("session", "fast", "ALFA", "1s", 1)
    others = [("other", *base[1:]), ("session", "slow", *base[2:]), (*base[:2], "BRVO", *base[3:]), (*base[:3], "1m", 1), (*base[:4], 2)]
    ids = [signal_id(*values) for values in (base, *others)]
    assert signal_id("session", "fast", "ALFA", "1s", 1) == ids[0]
    assert len(set(ids)) == 6


def test_each_leg_of_a_signal_has_its_own_order() -> None:
    signal = UUID(int=9)
    assert order_id(signal, 0) == order_id(signal, 0) != order_id(signal, 1)


@given(st.text(max_size=60))
def test_ids_are_name_based_uuids_of_rfc_9562(key: str) -> None:
    assert transaction_id("a", "trade", key) == uuid5(TRANSACTIONS, f"a|trade|{key}")


@given(st.uuids())
def test_a_client_order_id_holds_the_order_id_in_base32(order: UUID) -> None:
    assert client_order_id("TWND", order, 1)[4:30] == base64.b32encode(order.bytes).decode().rstrip("=")
