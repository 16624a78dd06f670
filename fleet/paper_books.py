"""What the paper venue holds, read from its book files without their lock: only while no broker writes them."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from libs.store.audit import Held
from libs.venues.line_file import LineFileDamaged
from libs.venues.paper.reading import book_of


def held(folder: Path, accounts: Iterable[str]) -> tuple[dict[str, Held], list[str]]:
    """Holdings of each account, and a sentence for each book that cannot be read. No book: nothing is held."""
    found: dict[str, Held] = {}
    unreadable: list[str] = []
    for account in accounts:
        path = folder / f"{account}.log"
        try:
            book = book_of(path)
        except (LineFileDamaged, msgspec.MsgspecError, KeyError) as error:
            unreadable.append(f"{account}: the paper venue's book {path} cannot be read: {error}")
            continue
        found[account] = Held(dict(book.cash), dict(book.positions))
    return found, unreadable
