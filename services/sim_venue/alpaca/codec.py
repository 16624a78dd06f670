"""The two languages of Alpaca's sockets: JSON, and MessagePack for whoever asks for it in the headers of the handshake."""

from collections.abc import Mapping
from typing import Protocol

import msgspec
from aiohttp import WSMessage, WSMsgType

from libs.domain.times import iso
from services.sim_venue.alpaca.data_json import Stamp, timestamp


class Garbled(Exception):
    """A frame that is no message of this language."""


class Codec(Protocol):
    """Messages to frames and back."""

    stamp: Stamp

    def frame(self, message: object) -> str | bytes:
        """A text frame, or a binary one when bytes."""
        ...

    def read(self, frame: WSMessage) -> object:
        """What the client said. Garbled: nothing that could be read."""
        ...


class Json:
    """Text frames; binary ones where `binary` says so, which hold the same JSON."""

    def __init__(self, binary: bool = False) -> None:
        self.stamp: Stamp = iso
        self._binary = binary

    def frame(self, message: object) -> str | bytes:
        encoded = msgspec.json.encode(message)
        return encoded if self._binary else encoded.decode()

    def read(self, frame: WSMessage) -> object:
        if frame.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            raise Garbled
        try:
            return msgspec.json.decode(frame.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Garbled from error


class MessagePack:
    """Binary frames. What comes as text is read as JSON: Alpaca's own Python client mixes the two on the trading stream."""

    def __init__(self) -> None:
        self.stamp: Stamp = timestamp

    def frame(self, message: object) -> bytes:
        return msgspec.msgpack.encode(message)

    def read(self, frame: WSMessage) -> object:
        try:
            if frame.type is WSMsgType.TEXT:
                return msgspec.json.decode(frame.data)
            return msgspec.msgpack.decode(frame.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError, TypeError) as error:
            raise Garbled from error


def wants_message_pack(headers: Mapping[str, str]) -> bool:
    """Whether the handshake asks for MessagePack."""
    return headers.get("Content-Type", "").partition(";")[0].strip().lower() == "application/msgpack"
