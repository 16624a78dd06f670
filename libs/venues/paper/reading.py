"""The paper venue's book as somebody else reads it: its file, without its lock and without a word to whoever writes it."""

import os
from collections.abc import Sequence
from pathlib import Path

from libs.domain.orders import VenueOrder
from libs.domain.trades import Fill
from libs.quant.exchange.book import Book, decode
from libs.venues.line_file import read


def book_of(path: Path) -> Book:
    """All that a file says; an empty book when there is none.

    Raises:
        LineFileDamaged, msgspec.MsgspecError, KeyError: it is not what a paper venue writes.
    """
    book = Book()
    if path.exists():
        for payload in read(path, path.read_bytes()).payloads:
            for record in decode(payload):
                book.apply(record)
    return book


class PaperReading:
    """Reads on where it has read to. Keeps open orders and new fills only: of what has ended nothing can be found any more."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begin(0)

    def _begin(self, inode: int) -> None:
        self._inode = inode
        self._at = 0  # bytes
        self._checksum = 0
        self._book = Book()

    def read_on(self) -> None:
        """Takes in what was written since; blocks while it reads. A line that is being written comes with the next call.

        Raises:
            OSError: the file cannot be read, or is not there yet.
            LineFileDamaged, msgspec.MsgspecError, KeyError: it is not what a paper venue writes.
        """
        with self._path.open("rb") as file:
            if (inode := os.fstat(file.fileno()).st_ino) != self._inode:  # a state folder was wiped, or restored
                self._begin(inode)
            file.seek(self._at)
            sound = read(self._path, file.read(), self._checksum)
        book = self._book
        for payload in sound.payloads:
            for record in decode(payload):
                book.apply(record)
        book.orders = {id_: booked for resting in book.open.values() for id_, booked in resting.items()}
        book.adjustments.clear()
        self._at += sound.size
        self._checksum = sound.checksum

    def open_orders(self) -> Sequence[VenueOrder]:
        """As of the newest read."""
        return [booked.view() for booked in self._book.orders.values()]

    def fills(self) -> Sequence[Fill]:
        """Those not dropped yet, oldest first."""
        return list(self._book.fills)

    def drop_fills(self, n: int) -> None:
        """The oldest `n` are not needed any more."""
        del self._book.fills[:n]
