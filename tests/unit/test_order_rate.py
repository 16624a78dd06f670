"""How many orders the rate control counts."""

from hypothesis import given
from hypothesis import strategies as st

from libs.quant.risk.rate import MINUTE, OrderRate

_ORDERS = st.lists(st.tuples(st.integers(0, 5 * MINUTE), st.sampled_from(["fast", "slow"])))


@given(st.lists(st.tuples(st.integers(0, MINUTE), _ORDERS)))
def test_what_is_counted_is_what_lies_within_the_minute_before(looks: list[tuple[int, list[tuple[int, str]]]]) -> None:
    rate, now, known = OrderRate(), 0, list[tuple[int, str]]()
    for later, orders in looks:
        now += later
        for decided_at, strategy_id in orders:
            if decided_at > now - MINUTE:  # older ones are never told of
                rate.add(decided_at, strategy_id)
                known.append((decided_at, strategy_id))
        lately = [strategy_id for decided_at, strategy_id in known if now - MINUTE < decided_at <= now]
        assert rate.within_a_minute(now) == {strategy_id: lately.count(strategy_id) for strategy_id in set(lately)}


def test_what_was_decided_before_a_start_counts_too() -> None:
    rate = OrderRate([(2 * MINUTE, "slow"), (MINUTE, "fast"), (0, "fast")])
    assert rate.within_a_minute(MINUTE) == {"fast": 1}
    assert rate.within_a_minute(2 * MINUTE) == {"slow": 1}
