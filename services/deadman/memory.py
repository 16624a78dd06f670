"""Which accounts there are, kept in a file: who was started again while the executor is gone can ask nobody."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from services.deadman.executors import Guarded

log = logging.getLogger(__name__)


class Memory:
    """The accounts that an executor told of last."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.accounts: Mapping[str, Guarded] = self._read()

    def learn(self, accounts: Mapping[str, Guarded]) -> None:
        """Another session has other accounts; one that cannot be written down is known as long as this process lives."""
        if accounts == self.accounts:
            return
        self.accounts = dict(accounts)
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            made = self._file.with_suffix(".new")
            made.write_bytes(msgspec.json.encode(self.accounts))
            os.replace(made, self._file)
        except OSError as error:
            log.warning("the accounts are not kept for the next start, %s: %s", self._file, error.strerror)

    def _read(self) -> dict[str, Guarded]:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=dict[str, Guarded])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("what was known of accounts cannot be read, %s: %s", self._file, error)
            return {}
