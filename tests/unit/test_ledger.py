from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from libs.domain.ledger import deposit_entries, imbalance, trade_entries

D = Decimal
TXN = UUID(int=1)
amounts = st.decimals(min_value=D("0.000001"), max_value=D(1_000_000), places=6)
signed_amounts = st.one_of(amounts, amounts.map(lambda a: -a))


@given(change=signed_amounts, price=amounts, multiplier=st.sampled_from([D(1), D(50)]), fee=st.one_of(st.just(D(0)), signed_amounts))
def test_every_trade_sums_to_zero_in_every_commodity(change: Decimal, price: Decimal, multiplier: Decimal, fee: Decimal) -> None:
    lines = trade_entries(
        TXN,
        "fast",
        symbol="BTC/USD",
        currency="USD",
        change=change,
        price=price,
        multiplier=multiplier,
        fee=fee,
        fee_currency="BNB",
    )
    assert imbalance(lines) == {}
    assert [line.entry for line in lines] == list(range(len(lines)))


def test_a_purchase_by_hand() -> None:
    lines = trade_entries(
        TXN, "fast", symbol="ALFA", currency="USD", change=D(3), price=D("100.50"), multiplier=D(1), fee=D("0.30"), fee_currency="USD"
    )
    assert [(line.ledger_account, line.commodity, line.amount) for line in lines] == [
        ("position", "ALFA", D(3)),
        ("trading", "ALFA", D(-3)),
        ("cash", "USD", D("-301.50")),
        ("trading", "USD", D("301.50")),
        ("cash", "USD", D("-0.30")),
        ("fees", "USD", D("0.30")),
    ]


@given(amount=signed_amounts)
def test_a_deposit_sums_to_zero(amount: Decimal) -> None:
    lines = deposit_entries(TXN, "USD", amount)
    assert imbalance(lines) == {}
    assert lines[0].amount == amount
    assert lines[0].ledger_account == "cash"


def test_what_is_off_is_named_by_transaction_and_commodity() -> None:
    lines = deposit_entries(TXN, "USD", D(100)) + deposit_entries(UUID(int=2), "EUR", D(5))
    lines[3] = lines[3]._replace(amount=D("-4.5"))
    assert imbalance(lines) == {(UUID(int=2), "EUR"): D("0.5")}


def test_two_transactions_that_cancel_each_other_are_both_off() -> None:
    one, other = deposit_entries(TXN, "USD", D(100))[:1], deposit_entries(UUID(int=2), "USD", D(100))[1:]
    assert imbalance(one + other) == {(TXN, "USD"): D(100), (UUID(int=2), "USD"): D(-100)}
