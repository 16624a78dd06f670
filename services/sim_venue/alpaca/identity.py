"""Ids of the venue as the UUIDs of its wire, and back.

The venue counts; Alpaca's clients want UUIDs. A UUID here (version 8 of RFC 9562, "custom") holds what it is of, a checksum of the
account and the count itself, so that the same order has the same UUID after every restart and no table is kept to find it again.
"""

from functools import lru_cache
from typing import Final, Literal
from uuid import NAMESPACE_URL, UUID, uuid5
from zlib import crc32

Of = Literal["order", "execution", "report"]

_KINDS: Final[dict[Of, int]] = {"order": 0x07D0, "execution": 0x0E0E, "report": 0x04E9}
_COUNT: Final = (1 << 62) - 1


def uuid_of(kind: Of, account: str, count: int) -> UUID:
    """The UUID of the account's order, execution or report of that count."""
    return UUID(int=_KINDS[kind] << 112 | crc32(account.encode()) << 80 | 0x8 << 76 | 0b10 << 62 | count)


def count_of(kind: Of, account: str, text: str) -> int | None:
    """What `uuid_of` was made from; None for any other text, ids of other accounts included."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    count = found.int & _COUNT
    return count if found == uuid_of(kind, account, count) else None


@lru_cache(maxsize=1024)
def account_uuid(account: str) -> UUID:
    """The account's own id."""
    return uuid5(NAMESPACE_URL, f"tradewinds:sim_venue:account:{account}")


@lru_cache(maxsize=4096)
def asset_uuid(symbol: str) -> UUID:
    """The id of an asset."""
    return uuid5(NAMESPACE_URL, f"tradewinds:sim_venue:asset:{symbol}")
