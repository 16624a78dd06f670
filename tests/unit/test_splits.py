"""Splits: what is trained on is never near what is tested, and everything is tested as often as it should be."""

from collections import Counter
from math import comb
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from libs.quant.validation.splits import Split, combinatorial, paths, purged_folds, walk_forward

few = st.integers(0, 4)


def bars_of(parts: tuple[range, ...]) -> list[int]:
    return [bar for part in parts for bar in part]


def cut(bars: int, groups: int, tested: int, purge: int, embargo: int) -> list[Split]:
    """Or an example that hypothesis passes over: nothing would be left to train on."""
    try:
        return combinatorial(bars, groups, tested, purge=purge, embargo=embargo)
    except ValueError as error:
        assume("bars to train on" not in str(error))
        raise


# --- walk-forward


@given(bars=st.integers(2, 200), train=st.integers(1, 40), test=st.integers(1, 40), embargo=few, anchored=st.booleans())
def test_a_walk_forward_tests_every_later_bar_exactly_once(bars: int, train: int, test: int, embargo: int, anchored: bool) -> None:
    assume(bars > train + embargo)
    splits = walk_forward(bars, train, test, anchored=anchored, embargo=embargo)
    assert [bar for split in splits for bar in bars_of(split.test)] == list(range(train + embargo, bars))
    for split in splits:
        (trained,), (tested,) = split
        assert tested.start - trained.stop == embargo
        assert trained == (range(trained.stop) if anchored else range(trained.stop - train, trained.stop))


def test_windows_roll_or_grow() -> None:
    rolling = [(range(0, 3),), (range(2, 5),), (range(4, 7),)]
    tests = [(range(4, 6),), (range(6, 8),), (range(8, 9),)]
    assert walk_forward(9, 3, 2, embargo=1) == [Split(*each) for each in zip(rolling, tests, strict=True)]
    assert [split.train for split in walk_forward(9, 3, 2, anchored=True, embargo=1)] == [(range(n),) for n in (3, 5, 7)]


# --- folds and groups


@given(bars=st.integers(6, 120), groups=st.integers(2, 7), data=st.data(), purge=few, embargo=few)
@settings(deadline=None)
def test_no_trained_bar_lies_within_the_purge_of_a_tested_one(bars: int, groups: int, data: Any, purge: int, embargo: int) -> None:
    assume(bars >= groups)
    for split in cut(bars, groups, data.draw(st.integers(1, groups - 1)), purge, embargo):
        trained, tested = set(bars_of(split.train)), set(bars_of(split.test))
        near = {at + n for at in tested for n in range(-purge, purge + 1)}
        after = {part.stop - 1 + n for part in split.test for n in range(1, purge + embargo + 1)}
        assert trained == set(range(bars)) - tested - near - after


@given(bars=st.integers(7, 120), groups=st.integers(2, 7), data=st.data())
@settings(deadline=None)
def test_every_bar_is_tested_in_as_many_splits_as_its_group_can_be(bars: int, groups: int, data: Any) -> None:
    tested = data.draw(st.integers(1, groups - 1))
    splits = combinatorial(bars, groups, tested)
    assert len(splits) == comb(groups, tested)
    times = Counter(bar for split in splits for bar in bars_of(split.test))
    assert times == dict.fromkeys(range(bars), comb(groups - 1, tested - 1))


@given(bars=st.integers(7, 200), folds=st.integers(2, 7))
def test_folds_test_every_bar_once_and_differ_by_one_bar_at_most(bars: int, folds: int) -> None:
    splits = purged_folds(bars, folds, purge=0, embargo=0)
    assert [bar for split in splits for bar in bars_of(split.test)] == list(range(bars))
    assert max(len(bars_of(split.test)) for split in splits) - min(len(bars_of(split.test)) for split in splits) <= 1


def test_groups_beside_each_other_stay_apart_in_the_test() -> None:
    first = combinatorial(12, 4, 2, purge=1, embargo=1)[0]
    assert first == Split(train=(range(8, 12),), test=(range(0, 3), range(3, 6)))


# --- paths


@given(groups=st.integers(2, 9), data=st.data())
def test_paths_use_every_test_exactly_once(groups: int, data: Any) -> None:
    tested = data.draw(st.integers(1, groups - 1))
    splits, found = combinatorial(groups, groups, tested), paths(groups, tested)
    used = [(split, group) for path in found for group, split in enumerate(path)]
    there = [(n, part.start) for n, split in enumerate(splits) for part in split.test]  # a group of one bar is that bar
    assert len(found) == comb(groups - 1, tested - 1)
    assert sorted(used) == sorted(there)


def test_six_groups_two_tested_make_the_five_paths_of_the_book() -> None:
    assert paths(6, 2)[0] == (0, 0, 1, 2, 3, 4)  # Lopez de Prado (2018), figure 12.1: 15 splits, 5 paths
    assert len(paths(6, 2)) == 5


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        pytest.param(lambda: walk_forward(10, 8, 2, embargo=2), r"train \+ embargo = 10, or nothing is tested, got 10", id="no test"),
        pytest.param(lambda: walk_forward(10, 0, 2), "train of at least 1, got 0", id="no training"),
        pytest.param(lambda: walk_forward(10, 2, 2, embargo=-1), "embargo of at least 0, got -1", id="negative"),
        pytest.param(lambda: purged_folds(10, 1, purge=0, embargo=0), "got 1 groups", id="one fold"),
        pytest.param(lambda: purged_folds(10, 11, purge=0, embargo=0), "at least one bar for each of 11 groups", id="more folds than bars"),
        pytest.param(lambda: purged_folds(10, 2, purge=5, embargo=0), "none beside bars 0 to 4", id="all purged"),
        pytest.param(lambda: combinatorial(100, 30, 15), "at most 10,000 splits, got 155,117,520", id="too many"),
        pytest.param(lambda: paths(4, 4), "not all of them, got 4 groups, 4 tested", id="nothing left to train on"),
    ],
)
def test_what_cannot_be_split_is_named(wrong: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        wrong()
