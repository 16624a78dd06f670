"""Making the next of several things while the one before is used."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The same, each made in a thread while the one before is used; what making one raises is raised where it would come."""
    with ThreadPoolExecutor(1, "ahead") as beside:
        coming = beside.submit(_next, items)
        while found := coming.result():
            coming = beside.submit(_next, items)
            yield found[0]


def _next(items: Iterator[T]) -> tuple[T] | None:
    for item in items:
        return (item,)
    return None
