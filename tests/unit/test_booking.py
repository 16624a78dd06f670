from collections.abc import Sequence
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from libs.domain.booking import Booked, book
from libs.domain.books import Position, signed
from libs.domain.ledger import imbalance
from libs.domain.orders import Side
from libs.domain.trades import Fill
from tests.paper import ALFA, an_order

D = Decimal
ONE, TEN, HUNDRED = D(1), D(10), D(100)
sides: st.SearchStrategy[Side] = st.sampled_from(["buy", "sell"])


def a_fill(n: int = 1, *, side: Side = "buy", quantity: Decimal = TEN, price: Decimal = HUNDRED, fee: Decimal = ONE) -> Fill:
    return Fill(
        exec_key=f"exec-{n}",
        client_order_id=an_order().client_order_id,
        symbol="ALFA",
        side=side,
        quantity=quantity,
        price=price,
        fee=fee,
        fee_currency="USD",
        liquidity="taker",
        executed_at=1000 + n,
        cumulative=quantity,
    )


fills = st.lists(
    st.builds(
        a_fill,
        n=st.integers(1, 10**6),
        side=sides,
        quantity=st.integers(1, 500).map(D),
        price=st.integers(1, 100_000).map(lambda ticks: D(ticks) / 100),
        fee=st.integers(-100, 1000).map(lambda cents: D(cents) / 100),
    ),
    max_size=20,
)


def booked(history: Sequence[Fill]) -> list[Booked]:
    held, found = Position(), []
    for fill in history:
        found.append(book(fill, an_order(side=fill.side), held, ALFA))
        held = found[-1].position
    return found


def cash_of(found: Sequence[Booked]) -> Decimal:
    return sum((line.amount for b in found for line in b.entries if line.ledger_account == "cash"), D(0))


@given(history=fills, mark=st.integers(1, 100_000).map(lambda ticks: D(ticks) / 100))
def test_cash_and_positions_at_a_price_change_only_by_trading_against_it_and_by_fees(history: Sequence[Fill], mark: Decimal) -> None:
    found = booked(history)
    held = found[-1].position.quantity if found else D(0)
    against_the_mark = sum((signed(f.side, f.quantity) * (mark - f.price) for f in history), D(0))
    assert cash_of(found) + held * mark == against_the_mark - sum((f.fee for f in history), D(0))


@given(history=fills)
def test_ledger_trades_and_position_tell_one_story(history: Sequence[Fill]) -> None:
    found = booked(history)
    assert all(imbalance(b.entries) == {} for b in found)
    held = sum((line.amount for b in found for line in b.entries if line.ledger_account == "position"), D(0))
    assert held == sum((signed(b.trade.side, b.trade.quantity) for b in found), D(0)) == (found[-1].position.quantity if found else 0)
    assert sum((b.trade.pnl for b in found), D(0)) == (found[-1].position.realized_pnl if found else 0)


def test_a_trade_keeps_every_word_of_its_fill() -> None:
    trade = book(a_fill(7, price=D("100.25"), fee=D("0.10")), an_order(), Position(), ALFA).trade
    assert (trade.exec_key, trade.side, trade.quantity, trade.executed_price) == ("exec-7", "buy", D(10), D("100.25"))
    assert (trade.commission, trade.fee_currency, trade.liquidity, trade.executed_at) == (D("0.10"), "USD", "taker", 1007)
    assert (trade.order_id, trade.account_id, trade.strategy_id) == (an_order().order_id, "paper", "sma_cross")


def test_booking_a_fill_again_gives_the_same_ids_and_another_fill_others() -> None:
    once, again, other = (book(a_fill(n), an_order(), Position(), ALFA) for n in (1, 1, 2))
    assert once == again
    assert {line.txn_id for line in once.entries} == {once.trade.trade_id}
    assert once.trade.trade_id != other.trade.trade_id


def test_accounts_that_fill_under_one_execution_key_do_not_share_a_trade() -> None:
    ids = {book(a_fill(), an_order(account_id=name), Position(), ALFA).trade.trade_id for name in ("main", "main-2")}
    assert len(ids) == 2
