"""Making the next thing while the one before is used."""

from collections.abc import Iterator
from threading import Event, current_thread

import pytest

from services.backtester.ahead import ahead


def test_everything_comes_once_and_in_order() -> None:
    assert list(ahead(iter([0, None, 2]))) == [0, None, 2]


def test_the_next_is_made_while_the_one_before_is_used() -> None:
    made = Event()

    def items() -> Iterator[str]:
        yield current_thread().name
        made.set()
        yield "next"

    first = next(found := ahead(items()))
    assert first.startswith("ahead")
    assert made.wait(10)
    assert list(found) == ["next"]


def test_what_making_one_raises_comes_in_its_place() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("no second one")

    found = ahead(items())
    assert next(found) == 1
    with pytest.raises(ValueError, match="no second one"):
        next(found)
