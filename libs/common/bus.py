"""The bell: Redis publish and subscribe, at most once. Nothing is decided by what comes over it alone."""

import asyncio
import fnmatch
import logging
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from libs.common import metrics
from libs.common.logs import about

log = logging.getLogger(__name__)

Hear = Callable[[str, bytes], None]
MAX_MESSAGE: Final = 4 * 1024 * 1024
"""Bytes; a larger message is dropped unread."""


class Bus(Protocol):
    """Publish and subscribe."""

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> bool:
        """Sends (channel, payload) pairs in order. False when they may not have gone out; never raises for that."""
        ...

    async def listen(self, patterns: Sequence[str], hear: Hear, joined: Callable[[], None]) -> None:
        """Calls `hear(channel, payload)` for each message until cancelled, through outages.

        `joined` is called each time listening has (re)started: whatever was sent before may be lost.
        """
        ...


class RedisBus:
    """The bus over a Redis or Valkey server."""

    RETRY_S: Final = 0.2
    SILENCE_S: Final = 5.0

    def __init__(self, url: str) -> None:
        """ValueError: the URL is none."""
        self._url = url
        self._commands = redis.Redis.from_url(url, socket_timeout=0.5, socket_connect_timeout=0.5, retry=Retry(NoBackoff(), 0))
        self._asking: asyncio.Task[None] | None = None  # whether it is back, since a message could not be sent
        self.reachable = False

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> bool:
        if not messages:
            return True
        if self._asking is not None and not self._asking.done():
            return False  # a server that hangs must not cost the order path a time-out for every bell
        try:
            if len(messages) == 1:
                await self._commands.publish(*messages[0])
            else:
                async with self._commands.pipeline(transaction=False) as pipe:
                    for channel, payload in messages:
                        pipe.publish(channel, payload)
                    await pipe.execute()
        except (RedisError, OSError) as error:
            metrics.BUS_FAILURES.labels(operation="publish").inc()
            if self.reachable:
                log.warning("the bus is away; the record carries on without its bell: %s", error, extra=about("bus_lost", "failure"))
            self.reachable = False
            self._asking = asyncio.create_task(self._until_it_answers())
            return False
        self.reachable = True
        return True

    async def _until_it_answers(self) -> None:
        while True:
            if not await self.ask():
                self.reachable = True
                return
            await asyncio.sleep(self.RETRY_S)

    async def listen(self, patterns: Sequence[str], hear: Hear, joined: Callable[[], None]) -> None:
        while True:
            # No timeouts here: redis-py would silently repeat a blocking read that timed out.
            client = redis.Redis.from_url(self._url, socket_timeout=None, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))
            try:
                async with client, client.pubsub() as pubsub:
                    await pubsub.psubscribe(*patterns)
                    await self._hear_all(pubsub, len(set(patterns)), hear, joined)
            except (RedisError, OSError) as error:
                metrics.BUS_FAILURES.labels(operation="listen").inc()
                told = about("bus_lost", "failure")
                log.info("listening again to %s in %s s: %s", ", ".join(patterns), self.RETRY_S, error, extra=told)
            await asyncio.sleep(self.RETRY_S)

    async def _hear_all(self, pubsub: redis.client.PubSub, patterns: int, hear: Hear, joined: Callable[[], None]) -> None:
        asked = False
        while True:
            message = await pubsub.get_message(timeout=self.SILENCE_S)
            if message is None:  # a dead connection can look like silence: ask, and give up when there is no answer
                if asked:
                    raise ConnectionError(f"no answer to a ping for {self.SILENCE_S} s")
                await pubsub.ping()
                asked = True
                continue
            asked = False
            if message["type"] == "psubscribe" and message["data"] == patterns:  # each pattern is answered, with a count
                self.reachable = True
                joined()
            elif message["type"] == "pmessage":
                guarded(hear, message["channel"].decode(), message["data"])

    async def ask(self) -> str:
        """Why the server does not answer; "" when it does."""
        try:
            await self._commands.ping()
        except (RedisError, OSError) as error:
            return str(error) or type(error).__name__
        return ""

    async def close(self) -> None:
        """Lets the connections go."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})
        await self._commands.aclose()


class MemoryBus:
    """The bus inside one process: for tests and the backtester."""

    def __init__(self) -> None:
        self._listeners: list[tuple[Sequence[str], Hear, Callable[[], None]]] = []
        self.reachable = True

    async def publish(self, messages: Sequence[tuple[str, bytes]]) -> bool:
        for channel, payload in messages:
            for patterns, hear, _ in list(self._listeners):
                if any(fnmatch.fnmatchcase(channel, pattern) for pattern in patterns):
                    guarded(hear, channel, payload)
        return True

    async def listen(self, patterns: Sequence[str], hear: Hear, joined: Callable[[], None]) -> None:
        listener = (patterns, hear, joined)
        self._listeners.append(listener)
        joined()
        try:
            await asyncio.Event().wait()
        finally:
            self._listeners.remove(listener)

    async def ask(self) -> str:
        """Why the server does not answer: there is none that could not."""
        return ""

    async def close(self) -> None:
        """There is nothing to let go."""


_last_complaint: dict[str, float] = {}
BURST_S: Final = 10.0


def guarded(hear: Hear, channel: str, payload: bytes) -> None:
    """Hands one message over. A bad one is counted, logged once per burst and dropped; the listener lives on."""
    try:
        if len(payload) > MAX_MESSAGE:
            raise ValueError(f"expected at most {MAX_MESSAGE} bytes, got {len(payload)}")
        hear(channel, payload)
    except Exception as error:
        metrics.BAD_MESSAGES.labels(channel=channel.split(".")[0]).inc()
        now = asyncio.get_running_loop().time()
        if now - _last_complaint.get(channel, -BURST_S) >= BURST_S:
            _last_complaint[channel] = now
            told = about("message_dropped", "failure", channel=channel)
            log.warning("dropped a bad message on %s: %s; it began with %r", channel, error, payload[:80], extra=told)
