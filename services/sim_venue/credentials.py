"""API keys. The same seed, dialect and account always have the same, so that a client's configuration outlives the state."""

import base64
import hashlib
from decimal import Decimal
from typing import Final, Literal, NamedTuple


class Credential(NamedTuple):
    """An API key of an account."""

    key: str
    secret: str
    account: str
    dialect: str
    name: str = ""  # of a further key of the account; each may do what the first one may


class Demo(NamedTuple):
    """An account that is always open, and what it begins with."""

    credential: Credential
    deposit: dict[str, Decimal]
    kind: Literal["cash", "margin"]


_CASH: Final = Decimal(100_000)

DEMO: Final = (
    Demo(Credential("PKDEMO0000000000DEMO", "demo-secret", "demo-alpaca", "alpaca"), {"USD": _CASH}, "margin"),
    Demo(Credential("demo-binance-key", "demo-binance-secret", "demo-binance", "binance"), {"USD": _CASH, "USDT": _CASH}, "cash"),
)


def credential(seed: int, account: str, dialect: str, name: str = "") -> Credential:
    """A key of an account, in the form that the venue behind the dialect has: Alpaca's paper keys begin with PK."""
    digest = hashlib.blake2b(f"{seed}/{dialect}/{account}".encode(), digest_size=60, person=_person(name)).digest()
    text = base64.b32encode(digest).decode()
    if dialect == "alpaca":
        return Credential(f"PK{text[:18]}", text[18:58].lower(), account, dialect, name)
    return Credential(text[:48], text[48:].lower(), account, dialect, name)


def _person(name: str) -> bytes:
    """What sets the digests of one name apart from those of another; nothing for the first key."""
    return hashlib.blake2b(name.encode(), digest_size=hashlib.blake2b.PERSON_SIZE).digest() if name else b""
