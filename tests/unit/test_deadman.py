"""When an account counts as abandoned."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from libs.domain.deadman import GAP, Terms, Watch, looked

TERMS = Terms(after_s=60.0, every_s=5.0)

Looks = Sequence[tuple[float, bool]]
looks = st.lists(st.tuples(st.integers(1, 100), st.booleans()), max_size=60).map(
    lambda steps: [(sum(pause for pause, _ in steps[: n + 1]), attended) for n, (_, attended) in enumerate(steps)]
)


def watched(seen: Looks, terms: Terms = TERMS) -> list[Watch]:
    """The state after each look."""
    watch, states = Watch(), []
    for at, attended in seen:
        watch = looked(watch, at, attended=attended, terms=terms)
        states.append(watch)
    return states


def steadily(first: float, last: float, attended: bool = False) -> list[tuple[float, bool]]:
    return [(at, attended) for at in range(int(first), int(last) + 1, 5)]


def tripped_at(seen: Looks) -> list[float]:
    """When it tripped, each time."""
    states = watched(seen)
    before = [Watch(), *states]
    return [at for (at, _), was, now in zip(seen, before, states, strict=False) if now.tripped and not was.tripped]


def test_an_absence_of_a_minute_trips_once() -> None:
    assert tripped_at(steadily(0, 0, attended=True) + steadily(5, 300)) == [65]


def test_it_stays_tripped_until_the_account_is_attended_to_again() -> None:
    assert tripped_at(steadily(0, 100) + steadily(105, 110, attended=True) + steadily(115, 300)) == [60, 175]


def test_a_pause_of_the_executor_of_half_a_minute_trips_nothing() -> None:
    assert tripped_at(steadily(0, 30, attended=True) + steadily(35, 65) + steadily(70, 100, attended=True)) == []


def test_a_paused_host_trips_nothing_and_is_counted_from_its_return() -> None:
    """Five minutes without a look, with an absence of 50 s before them."""
    assert tripped_at(steadily(0, 50) + steadily(350, 400)) == []
    assert tripped_at(steadily(0, 50) + steadily(350, 500)) == [410]


def test_a_pause_within_a_look_is_no_absence() -> None:
    """The look began at 55 and its answer failed to come at 355: it counts where it began."""
    assert tripped_at([*steadily(0, 55), (355, False)]) == []


@given(looks)
def test_it_never_trips_without_an_unbroken_run_of_looks_as_long_as_the_terms_ask(seen: Looks) -> None:
    for at in tripped_at(seen):
        run = [at]
        for earlier, attended in reversed([look for look in seen if look[0] < at]):
            if attended or run[-1] - earlier > GAP * TERMS.every_s:
                break
            run.append(earlier)
        assert run[0] - run[-1] >= TERMS.after_s
        assert len(run) >= TERMS.after_s / (GAP * TERMS.every_s)


@given(looks)
def test_whatever_was_seen_an_attended_account_is_not_tripped_and_a_full_absence_is(seen: Looks) -> None:
    at = seen[-1][0] if seen else 0.0
    assert not watched([*seen, (at + 1, True)])[-1].tripped
    states = watched([*seen, (at + 1, True), *((at + 1 + n * TERMS.every_s, False) for n in range(1, 15))])
    assert [state.tripped for state in states[-14:]] == [False] * 12 + [True] * 2
    assert states[-1].absent_s() == 13 * TERMS.every_s
