"""What the controls of flow count of an account's own orders."""

from itertools import count
from statistics import median
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from libs.domain.times import SECOND
from libs.quant.risk.flow import ALIKE, KNOWN_SIZES, LEAST_SIZES, MINUTE, MONTH, Content, Flow, Ordered, OwnOrders

_ORDERS = st.lists(st.tuples(st.integers(0, 5 * MINUTE), st.sampled_from(["fast", "slow"])))
_ids = count(1)


def ordered(decided_at: int, strategy_id: str = "fast", *, notional: float = 100.0, entry: bool = True) -> Ordered:
    return Ordered(decided_at, strategy_id, "ALFA", "buy", 1, 10_000, UUID(int=next(_ids)), notional, entry)


def lately(known: list[tuple[int, str]], now: int, span: int) -> dict[str, int]:
    names = [strategy_id for decided_at, strategy_id in known if now - span < decided_at <= now]
    return {name: names.count(name) for name in set(names)}


@given(st.lists(st.tuples(st.integers(0, MINUTE), _ORDERS)))
def test_what_is_counted_is_what_lies_within_the_span_before(looks: list[tuple[int, list[tuple[int, str]]]]) -> None:
    own, now, known = OwnOrders(), 0, list[tuple[int, str]]()
    for later, orders in looks:
        now += later
        for decided_at, strategy_id in orders:
            if decided_at > now - MINUTE:  # older ones are never told of
                own.add(ordered(decided_at, strategy_id))
                known.append((decided_at, strategy_id))
        flow = own.at(now)
        assert flow.per_minute == lately(known, now, MINUTE)
        assert flow.per_second == lately(known, now, SECOND)
        assert {strategy: n for (strategy, _), n in flow.entries.items()} == lately(known, now, MINUTE)
        for strategy, expected in lately(known, now, ALIKE).items():
            assert sum(now - ALIKE < at <= now for at, _ in flow.alike((strategy, "ALFA", "buy", 1, 10_000))) == expected


def test_orders_of_one_content_are_forgotten_once_two_seconds_have_passed() -> None:
    own = OwnOrders([ordered(0), ordered(1)])
    content: Content = ("fast", "ALFA", "buy", 1, 10_000)
    assert [at for at, _ in own.at(ALIKE).alike(content)] == [1]
    assert own.at(ALIKE + 1).alike(content) == ()


def test_what_was_decided_before_a_start_counts_too() -> None:
    own = OwnOrders([ordered(2 * MINUTE, "slow"), ordered(MINUTE), ordered(0)])
    assert own.at(MINUTE).per_minute == {"fast": 1}
    assert own.at(2 * MINUTE).per_minute == {"slow": 1}


def test_what_a_batch_approves_counts_for_the_rest_of_it_and_not_for_the_next() -> None:
    own = OwnOrders()
    flow = own.at(MINUTE)
    flow.add(ordered(MINUTE))
    assert (flow.per_minute, flow.per_second, flow.entries) == ({"fast": 1}, {"fast": 1}, {("fast", "ALFA"): 1})
    assert own.at(MINUTE) == Flow()
    assert len(flow.alike(("fast", "ALFA", "buy", 1, 10_000))) == 1


def test_an_exit_is_no_entry() -> None:
    own = OwnOrders([ordered(MINUTE, entry=False)])
    assert (own.at(MINUTE).per_minute, own.at(MINUTE).entries) == ({"fast": 1}, {})


@given(st.lists(st.floats(1.0, 1e9), min_size=1, max_size=60))
def test_the_median_is_that_of_what_was_entered_and_of_too_few_there_is_none(sizes: list[float]) -> None:
    own = OwnOrders((), [("fast", n, size) for n, size in enumerate(sizes)])
    expected = {"fast": median(sizes)} if len(sizes) >= LEAST_SIZES else {}
    assert own.at(MINUTE).medians == expected


def test_the_median_forgets_what_is_older_than_thirty_days_or_than_the_newest_thousand() -> None:
    old = [("fast", n, 1.0) for n in range(1, LEAST_SIZES + 1)]
    assert OwnOrders((), old).at(MONTH).medians == {"fast": 1.0}
    assert OwnOrders((), old).at(MONTH + LEAST_SIZES).medians == {}
    many = [*old, *(("fast", MINUTE + n, 5.0) for n in range(KNOWN_SIZES))]
    assert OwnOrders((), many).at(2 * MINUTE).medians == {"fast": 5.0}
