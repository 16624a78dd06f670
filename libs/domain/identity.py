"""Ids that repeated work makes again: the same decision, after a crash or in a replay, has the same name."""

import base64
import string
from collections.abc import Collection
from hashlib import sha1
from typing import Final
from uuid import UUID, SafeUUID

SIGNALS: Final = UUID("6f3f2a52-6a5e-5d0e-9c55-3a3d5d0f7a01")
ORDERS: Final = UUID("6f3f2a52-6a5e-5d0e-9c55-3a3d5d0f7a02")
TRANSACTIONS: Final = UUID("6f3f2a52-6a5e-5d0e-9c55-3a3d5d0f7a03")
CHILDREN: Final = 10_000
SLICES: Final = CHILDREN // 2  # children of an order below this number are its slices, those from it on its protection
JOB_RUNS: Final = UUID("6f3f2a52-6a5e-5d0e-9c55-3a3d5d0f7a06")
EXTERNAL_ORDERS: Final = UUID("6f3f2a52-6a5e-5d0e-9c55-3a3d5d0f7a07")
ITEMS: Final = UUID("6f3f2a52-6a5e-5d0e-9c55-3a3d5d0f7a08")
_SIGNALS, _ORDERS, _TRANSACTIONS = SIGNALS.bytes, ORDERS.bytes, TRANSACTIONS.bytes
_BASE36: Final = string.digits + string.ascii_uppercase
_BASE32: Final = string.ascii_uppercase + "234567"
_PAIRS: Final = [high + low for high in _BASE32 for low in _BASE32]

_DIGEST: Final = 0xFFFFFFFFFFFF0FFF3FFFFFFFFFFFFFFF
_VERSION_5: Final = 0x00000000000050008000000000000000


def signal_id(session_id: str, strategy_id: str, symbol: str, timeframe: str, bar_time: int) -> UUID:
    """The one signal of a strategy for a symbol at a bar."""
    return _named(_SIGNALS, f"{session_id}|{strategy_id}|{symbol}|{timeframe}|{bar_time}")


def liquidation_id(account_id: str, scope: str, key: str, set_at: int, strategy_id: str, symbol: str, attempt: int) -> UUID:
    """What stands for the signal of the one attempt to close a book under a kill switch that was set at `set_at`."""
    return _named(_SIGNALS, f"liquidation|{account_id}|{scope}|{key}|{set_at}|{strategy_id}|{symbol}|{attempt}")


def overnight_id(account_id: str, symbol: str, close: int) -> UUID:
    """What is told of a position that is too large to be held over the night after a session's close (market ns)."""
    return _named(_SIGNALS, f"overnight|{account_id}|{symbol}|{close}")


def order_id(signal: UUID, leg: int) -> UUID:
    """The one order of a leg of a signal."""
    return _named(_ORDERS, f"{signal}|{leg}")


def child_leg(parent_leg: int, n: int) -> int:
    """The leg of the n-th child (from 0) of an order: beside those of its signal, and the same after a restart."""
    if not 0 <= n < CHILDREN:
        raise ValueError(f"expected a child of 0 to {CHILDREN - 1}, got {n}")
    return (parent_leg + 1) * CHILDREN + n


def transaction_id(account_id: str, kind: str, key: str) -> UUID:
    """The one ledger transaction of a trade, deposit or repair."""
    return _named(_TRANSACTIONS, f"{account_id}|{kind}|{key}")


def job_run_id(job_id: str, session_id: str, scheduled_for: int) -> UUID:
    """The one run of a job at a time of its clock (ns); `session_id` is "" where that is the host's."""
    return _named(JOB_RUNS.bytes, f"{job_id}|{session_id}|{scheduled_for}")


def client_order_id(fleet: str, order: UUID, attempt: int) -> str:
    """What the venue knows an attempt by: fleet tag, order id and attempt; alphanumeric, at most 32 characters."""
    if len(fleet) != 4 or not fleet.isalnum() or not 1 <= attempt < 36 * 36:
        raise ValueError(f"expected a 4-character fleet tag and an attempt of 1 to 1295, got {fleet!r} and {attempt}")
    high, low = divmod(attempt, 36)
    return fleet + _base32(order.int) + (_BASE36[high] if high else "") + _BASE36[low]


def client_id_beside(client_id: str, order: UUID) -> str:
    """What the venue knows the first attempt of another order of the same fleet by."""
    return client_order_id(client_id[:4], order, 1)


def order_of_client_id(client_id: str) -> UUID:
    """The order a client order id belongs to; ValueError when it is none of ours."""
    if not 31 <= len(client_id) <= 32:
        raise ValueError(f"expected a client order id of 31 or 32 characters, got {client_id!r}")
    return UUID(bytes=base64.b32decode(client_id[4:30] + "======"))


def is_ours(client_id: str) -> bool:
    """Whether it has the form of the ids that a fleet like this one gives, whatever its tag."""
    try:
        order_of_client_id(client_id)
    except ValueError:
        return False
    return True


def order_named(account_id: str, client_id: str, tags: Collection[str] = ()) -> UUID:
    """The order that a venue knows by this id: the one it was made from, or one of its own where somebody else placed it.

    Args:
        tags: of the fleet whose orders are meant; without any, of every fleet.
    """
    try:
        ours = order_of_client_id(client_id)
    except ValueError:
        ours = None
    if ours is not None and (not tags or client_id[:4] in tags):
        return ours
    return _named(EXTERNAL_ORDERS.bytes, f"{account_id}|{client_id}")


def item_id(account_id: str, kind: str, key: str, differs: str) -> UUID:
    """The one difference between record and venue of that size: found again, it is the same."""
    return _named(ITEMS.bytes, f"{account_id}|{kind}|{key}|{differs}")


def _named(namespace: bytes, name: str) -> UUID:
    """`uuid.uuid5`, seven times as fast: an order makes four of them. Sets what UUID's own constructor sets."""
    digest = sha1(namespace + name.encode(), usedforsecurity=False).digest()
    made = UUID.__new__(UUID)
    object.__setattr__(made, "int", int.from_bytes(digest[:16], "big") & _DIGEST | _VERSION_5)
    object.__setattr__(made, "is_safe", SafeUUID.unknown)
    return made


def _base32(number: int) -> str:
    """RFC 4648 base32 of 128 bits without padding, two letters at a time: `base64` takes it letter by letter."""
    return "".join([_PAIRS[number << 2 >> shift & 1023] for shift in range(120, -1, -10)])
