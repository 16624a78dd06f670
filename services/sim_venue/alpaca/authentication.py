"""Who asks: the key and secret of two headers, of basic authentication, or of a stream's first message."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Protocol

from services.sim_venue.host import Credential

KEY = "APCA-API-KEY-ID"
SECRET = "APCA-API-SECRET-KEY"


class Credentials(Protocol):
    """Whoever knows the keys."""

    def credential(self, key: str) -> Credential | None: ...


def of_headers(headers: Mapping[str, str]) -> tuple[str, str] | None:
    """Key and secret as a client's headers have them; None where there are none."""
    if KEY in headers:
        return headers[KEY], headers.get(SECRET, "")
    scheme, _, given = headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        key, _, secret = base64.b64decode(given, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return key, secret


def account_of(known: Credentials, dialect: str, key: object, secret: object) -> str | None:
    """The account that key and secret open here, compared without telling by its time how much of the secret was right."""
    if not isinstance(key, str) or not isinstance(secret, str):
        return None
    credential = known.credential(key)
    if credential is None or credential.dialect != dialect:
        return None
    return credential.account if hmac.compare_digest(credential.secret.encode(), secret.encode()) else None
