"""What is around every payload on every channel."""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

import msgspec

from libs.common.clocks import HostClock
from libs.common.ids import uuid7

HEALTH_CHANNEL: Final = "system.health"
_encode: Final = msgspec.json.Encoder().encode


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """Every channel carries JSON arrays of these. An unknown field is ignored inside the fleet."""

    v: int = 1
    stream: str
    seq: int  # number within `stream`, gapless; for market data, of this publisher and symbol
    id: str  # UUIDv7
    session_id: str
    producer: str
    ts_event_ns: int  # market time
    ts_pub_ns: int  # host time
    trace: str  # correlation id: the signal's id all along the order path
    payload: msgspec.Raw
    mac: str = ""  # market data only: what is believed without a look at the record has to be genuine


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A service is alive, and whether it is ready."""

    service: str
    instance: str
    version: str
    ready: bool
    uptime_s: float
    leaving: bool = False  # its last word: somebody stops it in order


class _Unnumbered(msgspec.Struct, kw_only=True):
    v: int = 1
    stream: str
    id: str
    session_id: str
    producer: str
    ts_event_ns: int
    ts_pub_ns: int
    trace: str
    payload: msgspec.Raw
    mac: str = ""


def mac(key: bytes, stream: str, payload: bytes) -> str:
    """Keyed digest of a payload on its channel. The key lies in the record: whoever cannot read that cannot make one."""
    return hashlib.blake2b(stream.encode() + b"|" + payload, key=key, digest_size=16).hexdigest()


class Sealer:
    """Puts payloads of one producer into envelopes. The number comes later: only a commit knows it."""

    def __init__(self, producer: str, clock: HostClock) -> None:
        self._producer = producer
        self._clock = clock
        self.session_id = ""
        self.key: bytes | None = None  # signs what is sealed

    def seal(self, stream: str, payload: object, *, ts_event_ns: int, trace: str = "") -> bytes:
        """JSON of an envelope without its number."""
        body = _encode(payload)
        return _encode(
            _Unnumbered(
                stream=stream,
                id=str(uuid7(self._clock)),
                session_id=self.session_id,
                producer=self._producer,
                ts_event_ns=ts_event_ns,
                ts_pub_ns=self._clock.now_ns(),
                trace=trace,
                payload=msgspec.Raw(body),
                mac="" if self.key is None else mac(self.key, stream, body),
            )
        )


def numbered(body: bytes, seq: int) -> bytes:
    """The envelope with its number."""
    return b'%s,"seq":%d}' % (body[:-1], seq)


def array(envelopes: Iterable[bytes]) -> bytes:
    """What goes over a channel: envelopes that belong together."""
    return b"[" + b",".join(envelopes) + b"]"


_decoder: Final = msgspec.json.Decoder(list[Envelope])


def opened(raw: bytes) -> list[Envelope]:
    """Envelopes of a channel's message.

    Raises:
        msgspec.MsgspecError: it is not an array of envelopes; the text says where and what was expected.
    """
    return _decoder.decode(raw)


class _Addressed(msgspec.Struct):
    account_id: str = ""


class _Bell(msgspec.Struct):
    payload: _Addressed


_bells: Final = msgspec.json.Decoder(list[_Bell])


def accounts_of(raw: bytes) -> frozenset[str]:
    """Whose accounts the payloads of a channel's message are about; "" stands for those that name none.

    Raises:
        msgspec.MsgspecError: it is not an array of envelopes.
    """
    return frozenset(bell.payload.account_id for bell in _bells.decode(raw))


def genuine(envelope: Envelope, key: bytes) -> Envelope:
    """The envelope, when its payload was signed with the key for its channel.

    Raises:
        ValueError: it was not: somebody else speaks on this channel.
    """
    if not hmac.compare_digest(envelope.mac, mac(key, envelope.stream, bytes(envelope.payload))):
        raise ValueError(f"forged: the signature of {envelope.producer} message {envelope.seq} is not the session's")
    return envelope
