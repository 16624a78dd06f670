from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.domain.executions import Execution, execution_of
from libs.domain.identity import SLICES
from libs.domain.orders import OPEN, TERMINAL, Intent, Status
from libs.quant.execution.slices import REFUSALS, Next, Over, Parent, Send, Slice, Stop, even, next_step

S = 1_000_000_000


def a_parent(execution: str = "twap:60:6", lots: int = 100, *, least: int = 1, rests_s: int = 70, display: int = 10) -> Parent:
    return Parent(execution_of(execution), lots, display, least, 0, rests_s * S)


def step(parent: Parent, slices: Sequence[Slice], second: float, **more: bool) -> Next | None:
    return next_step(parent, slices, int(second * S), even(parent.execution.slices), **more)


@pytest.mark.parametrize(
    ("text", "kind", "seconds", "slices", "display"),
    [("twap:60:6", "twap", 60, 6, 0), ("vwap:3600:12", "vwap", 3600, 12, 0), ("iceberg:0.25", "iceberg", 0, 0, "0.25")],
)
def test_an_execution_is_read_as_it_is_written(text: str, kind: str, seconds: int, slices: int, display: object) -> None:
    assert execution_of(text) == Execution(kind, seconds, slices, Decimal(str(display)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ["", "twap", "twap:60", "twap:60:1", "twap:0:2", "twap:3:4", "twap:60:6:1", "twap:9000:5001", "twap:-60:6", "twap:6e1:6",
     "twap:604801:6", "vwap:٦٠:6", "iceberg", "iceberg:0", "iceberg:-1", "iceberg:nan", "iceberg:1e99", "iceberg:1:0", "iceberg:1:x",
     "pov:10"],
)  # fmt: skip
def test_what_is_no_execution_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected twap:SECONDS:SLICES or vwap.*got "):
        execution_of(text)


def test_slices_of_one_size_are_due_at_equal_intervals() -> None:
    made: list[Slice] = []
    for n, lots in enumerate([16, 17, 17, 16, 17, 17]):
        assert step(a_parent(), made, 10 * n) == Send(n, lots, (10 * n + 10) * S if n < 5 else 70 * S)
        made.append(Slice(n, Status.FILLED, lots, lots))
        assert step(a_parent(), made, 10 * n + 9.999) is None
    assert sum(s.filled for s in made) == 100


def test_what_a_slice_leaves_is_carried_to_later_ones_and_the_last_takes_the_rest() -> None:
    made = [Slice(0, Status.EXPIRED, 16, 6)]
    assert step(a_parent(), made, 10) == Send(1, 27, 20 * S)
    made += [Slice(1, Status.CANCELED, 27, 0)]
    assert step(a_parent(), made, 50) == Send(5, 94, 70 * S)


def test_a_schedule_that_was_missed_goes_on_with_the_slice_that_is_due() -> None:
    assert step(a_parent(), [], 35) == Send(3, 66, 40 * S)
    assert step(a_parent(), [], 69) == Send(5, 100, 70 * S)


@pytest.mark.parametrize("status", sorted(OPEN))
def test_while_a_slice_is_open_or_unknown_there_is_no_other(status: Status) -> None:
    assert step(a_parent(), [Slice(0, status, 16, 3)], 30) is None


def test_slices_follow_the_volume_that_is_expected() -> None:
    assert next_step(a_parent(), [], 0, (50, 10, 10, 10, 10, 10)) == Send(0, 50, 10 * S)
    assert next_step(a_parent(), [Slice(0, Status.FILLED, 50, 50)], 10 * S, (50, 0, 20, 10, 10, 10)) is None


def test_slices_too_small_for_the_venue_are_carried_and_no_rest_too_small_is_left() -> None:
    assert step(a_parent(lots=100, least=20), [], 0) is None
    assert step(a_parent(lots=100, least=20), [], 10) == Send(1, 33, 20 * S)
    assert step(a_parent(lots=100, least=20), [Slice(1, Status.FILLED, 33, 33), Slice(3, Status.FILLED, 33, 33)], 40) is None
    assert step(a_parent(lots=36, least=20), [], 30) == Send(3, 36, 40 * S)


def test_an_iceberg_shows_the_next_part_when_the_last_is_filled() -> None:
    parent = a_parent("iceberg:10", 25)
    assert step(parent, [], 0) == Send(0, 10, 70 * S)
    assert step(parent, [Slice(0, Status.PARTIAL, 10, 9)], 5) is None
    assert step(parent, [Slice(0, Status.FILLED, 10, 10), Slice(1, Status.FILLED, 10, 10)], 5) == Send(2, 5, 70 * S)
    assert step(parent, [Slice(0, Status.CANCELED, 10, 4)], 5) == Over(Intent.FINISH, "slice 0 was ended at the venue")


def test_an_iceberg_that_would_take_more_slices_than_there_are_numbers_ends() -> None:
    made = [Slice(n, Status.FILLED, 1, 1) for n in range(SLICES)]
    found = step(a_parent("iceberg:1", 2 * SLICES, display=1), made, 5)
    assert isinstance(found, Over)
    assert found.intent is Intent.FINISH


@pytest.mark.parametrize(("filled", "intent"), [(0, Intent.DENY), (5, Intent.FINISH)])
def test_refusals_in_a_row_end_the_parent(filled: int, intent: Intent) -> None:
    parent = a_parent("iceberg:10", 100)
    made = [Slice(0, Status.FILLED, filled, filled), *(Slice(n, Status.REJECTED, 10, 0) for n in range(1, REFUSALS))]
    assert step(parent, made, 5) == Send(REFUSALS, 10, 70 * S)
    assert step(parent, [*made, Slice(REFUSALS, Status.NOT_ACCEPTED, 10, 0)], 5) == Over(intent, "3 slices in a row were refused")
    denied = step(parent, [*made, Slice(REFUSALS, Status.DENIED, 10, 0)], 5)
    assert isinstance(denied, Over)
    assert denied.intent is intent


def test_an_unwanted_parent_has_its_slices_canceled_and_ends_when_they_have_ended() -> None:
    assert step(a_parent(), [Slice(0, Status.UNKNOWN, 16, 0)], 5, unwanted=True) == Stop("no longer wanted")
    assert step(a_parent(), [Slice(0, Status.CANCELED, 16, 3)], 5, unwanted=True) == Over(Intent.FINISH, "no longer wanted")


def test_a_parent_ends_at_its_time_and_not_before_its_slices() -> None:
    assert step(a_parent(), [Slice(5, Status.ACKED, 100, 0)], 70) is None
    assert step(a_parent(), [Slice(4, Status.EXPIRED, 100, 0)], 70) == Over(Intent.EXPIRE_UNSENT, "its time is over")
    assert step(a_parent(), [Slice(5, Status.EXPIRED, 100, 0)], 65) == Over(Intent.EXPIRE_UNSENT, "its last slice has ended")


ENDS = st.sampled_from(sorted(TERMINAL))


@settings(max_examples=150)
@given(
    execution=st.sampled_from(["twap:60:6", "twap:60:60", "vwap:60:6", "twap:7:3", "iceberg:10", "iceberg:10:60"]),
    lots=st.integers(1, 500),
    least=st.integers(1, 40),
    weights=st.lists(st.integers(0, 1000), min_size=60, max_size=60).filter(lambda w: sum(w[:3]) > 0),
    fates=st.lists(st.tuples(ENDS, st.floats(0, 1), st.booleans(), st.integers(0, 15)), min_size=1, max_size=200),
    unwanted_after=st.integers(0, 400),
)
def test_together_they_never_exceed_the_parent_which_always_ends(
    execution: str, lots: int, least: int, weights: list[int], fates: list[tuple[Status, float, bool, int]], unwanted_after: int
) -> None:
    """Each slice is left open for a while, or unknown, then ends anyhow. Asking again, as after a restart, changes nothing."""
    parent = a_parent(execution, lots, least=least)
    wanted = weights[: parent.execution.slices]
    made: list[Slice] = []
    second = 0
    for n in range(1000):
        found = next_step(parent, made, second * S, wanted, unwanted=n > unwanted_after)
        assert found == next_step(parent, list(reversed(made)), second * S, wanted, unwanted=n > unwanted_after)
        status, share, instantly, wait = fates[n % len(fates)]
        if isinstance(found, Over) or sum(s.filled for s in made) == lots:
            return
        if isinstance(found, Send):
            assert found.lots > 0
            assert found.n not in {s.n for s in made}
            assert found.expires_at <= parent.expires_at
            made.append(Slice(found.n, Status.UNKNOWN, found.lots, 0))
            assert sum(s.lots if s.status in OPEN else s.filled for s in made) <= lots
        if isinstance(found, Stop) or instantly or second * S >= parent.expires_at:
            made = [s if s.status in TERMINAL else _ended(s, status, share) for s in made]
        second += wait
    raise AssertionError("it has not ended")


def _ended(slice_: Slice, status: Status, share: float) -> Slice:
    if status is Status.FILLED:
        return slice_._replace(status=status, filled=slice_.lots)
    refused = status in (Status.REJECTED, Status.NOT_ACCEPTED, Status.DENIED)
    return slice_._replace(status=status, filled=0 if refused else int(share * slice_.lots))
