"""Trades in line, whatever a stream does to them on their way."""

from hypothesis import given
from hypothesis import strategies as st

from libs.domain.market import TradeTick
from libs.venues.ccxt_venue.trade_line import NamedLine, NumberedLine


def a_trade(number: int) -> TradeTick:
    return TradeTick(venue="v", symbol="BTC/USDT", seq=0, ts=number, price=float(number), size=1.0)


@given(st.permutations(range(10, 30)), st.lists(st.integers(10, 29), max_size=20))
def test_once_nothing_is_missing_each_trade_has_come_once_and_in_order(order: list[int], again: list[int]) -> None:
    line, given_ = NumberedLine(), []
    given_ += [trade.ts for trade in line.add(9, a_trade(9))]
    given_ += [trade.ts for trade in line.settle()]
    for number in [*order, *again]:
        given_ += [trade.ts for trade in line.add(number, a_trade(number))]
    assert given_ == list(range(9, 30))
    assert not line.gap()


@given(st.sets(st.integers(0, 40), min_size=1), st.sets(st.integers(0, 40)))
def test_what_was_lost_holds_up_the_rest_until_it_is_settled(came: set[int], refilled: set[int]) -> None:
    line, given_ = NumberedLine(), []
    for number in [*sorted(came), *sorted(refilled)]:
        assert not list(line.add(number, a_trade(number)))  # held from the start, as before a refill
    given_ += [trade.ts for trade in line.settle()]
    assert given_ == sorted(came | refilled)
    assert [trade.ts for trade in line.add(given_[-1] + 1, a_trade(given_[-1] + 1))] == [given_[-1] + 1]


def test_a_jump_is_seen_and_says_what_to_ask_for() -> None:
    line = NumberedLine()
    assert not list(line.settle())
    assert [trade.ts for trade in line.add(7, a_trade(7))] == [7]
    assert not list(line.add(9, a_trade(9)))
    assert (line.gap(), line.next_number()) == (True, 8)
    assert [trade.ts for trade in line.add(8, a_trade(8))] == [8, 9]
    assert not line.gap()


@given(st.lists(st.sampled_from("abcdef")))
def test_of_trades_with_names_each_comes_once(names: list[str]) -> None:
    line = NamedLine()
    came = [trade for name in names for trade in line.add(name, a_trade(ord(name)))]
    assert [trade.ts for trade in came] == [ord(name) for name in dict.fromkeys(names)]
