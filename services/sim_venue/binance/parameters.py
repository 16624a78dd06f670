"""A request's parameters, as text until they are asked for, and the venue's complaints about them."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, TypeVar

import msgspec

from services.sim_venue.binance.errors import VenueError, illegal, invalid, missing

T = TypeVar("T")

_DECIMAL: Final = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_INTEGER: Final = r"^[0-9]{1,20}$"
_CLIENT_ID: Final = r"^[\.A-Z\:/a-z0-9_-]{1,36}$"
_MOST_INTEGER: Final = 2**63 - 1


class Parameters:
    """Of one request, from its query and its form together. Empty ones count as not sent."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = {name: value for name, value in values.items() if value != ""}

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def text(self, name: str) -> str | None:
        """As it was sent."""
        return self._values.get(name)

    def need(self, name: str) -> str:
        """As it was sent; -1102 when it was not."""
        value = self._values.get(name)
        if value is None:
            raise missing(name)
        return value

    def integer(self, name: str) -> int | None:
        """A whole number of 0 or more."""
        value = self._values.get(name)
        if value is None:
            return None
        if not re.fullmatch(_INTEGER, value, re.ASCII):
            raise illegal(name, _INTEGER)
        if int(value) > _MOST_INTEGER:
            raise invalid(name)
        return int(value)

    def need_integer(self, name: str) -> int:
        """A whole number; -1102 when it was not sent."""
        self.need(name)
        value = self.integer(name)
        assert value is not None
        return value

    def decimal(self, name: str) -> Decimal | None:
        """An exact number of 0 or more, in plain digits."""
        value = self._values.get(name)
        if value is None:
            return None
        if not re.fullmatch(_DECIMAL, value, re.ASCII):
            raise illegal(name, _DECIMAL)
        return Decimal(value)

    def flag(self, name: str, otherwise: bool) -> bool:
        """`true` or `false`, in any case of letters."""
        value = self._values.get(name)
        if value is None:
            return otherwise
        if value.lower() not in ("true", "false"):
            raise illegal(name, "^(true|false)$")
        return value.lower() == "true"

    def choice(self, name: str, choices: Mapping[str, T], otherwise: T, error: VenueError) -> T:
        """One of several words."""
        value = self._values.get(name)
        if value is None:
            return otherwise
        if value not in choices:
            raise error
        return choices[value]

    def client_id(self, name: str) -> str | None:
        """An id that the client gives."""
        value = self._values.get(name)
        if value is not None and not re.fullmatch(_CLIENT_ID, value, re.ASCII):
            raise illegal(name, _CLIENT_ID)
        return value

    def limit(self, otherwise: int, most: int) -> int:
        """How many at most; more than `most` is read as `most`."""
        value = self.integer("limit")
        if value == 0:
            raise invalid("limit")
        return min(value or otherwise, most)

    def words(self, name: str) -> list[str] | None:
        """A JSON array of words: `["BTCUSD","ETHUSD"]`."""
        value = self._values.get(name)
        if value is None:
            return None
        try:
            words = msgspec.json.decode(value, type=list[str])
        except (msgspec.DecodeError, msgspec.ValidationError):
            raise illegal(name, r'^\["[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}\]$') from None
        if not words:
            raise missing(name)
        if len(set(words)) != len(words):
            raise VenueError(-1151, "Symbol is present multiple times in the list.")
        return words
