"""A way to the operator: it takes a message, or says what came of the attempt."""

from typing import NamedTuple, Protocol

import aiohttp

from services.monitor.reasons import reason

TIMEOUT_S = 5.0


class Letter(NamedTuple):
    """A message as a channel sends it."""

    severity: str
    title: str
    body: str  # Markdown
    link: str  # a whole address; "" for none
    priority: int  # Gotify's


class Failed(Exception):
    """It may not have arrived; trying again may help. Never holds a secret."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class Refused(Exception):
    """It will never be taken like this: trying again would not help. Never holds a secret."""


class Channel(Protocol):
    """One way to the operator."""

    @property
    def name(self) -> str:
        """As in config/notifications.toml."""
        ...

    async def send(self, letter: Letter) -> None:
        """One attempt, of some seconds at most.

        Raises:
            Failed, Refused: it was not taken.
        """
        ...


async def post(http: aiohttp.ClientSession, url: str, body: object, headers: dict[str, str] | None = None) -> None:
    """Posts JSON to an address that is a secret: it is in no error. A redirect is not followed, for it would be told the body.

    Raises:
        Failed: no answer, a fault of the server (5xx), or too many requests (408, 429).
        Refused: any other answer that is not 2xx.
    """
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    try:
        async with http.post(url, json=body, headers=headers, timeout=timeout, allow_redirects=False) as answer:
            status, said = answer.status, (await answer.content.read(300)).decode(errors="replace")
            asked = _seconds(answer.headers.get("Retry-After", ""))
    except TimeoutError as error:
        raise Failed(f"no answer within {TIMEOUT_S:g} s") from error
    except aiohttp.InvalidURL:
        raise Refused("its address is no URL") from None
    except aiohttp.ClientConnectorError as error:
        raise Failed(f"cannot be reached: {reason(error)}") from None
    except (aiohttp.ClientError, OSError) as error:
        raise Failed(f"the connection failed: {type(error).__name__}") from None
    if 200 <= status < 300:
        return
    answered = f"answered {status}: {' '.join(said.split())[:200]}".rstrip(": ")
    if status >= 500 or status in (408, 429):
        raise Failed(answered, asked)
    raise Refused(answered)


def _seconds(retry_after: str) -> float | None:
    """Of the header; a date in it is passed over, our own back-off is used then."""
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None


def cut(text: str, most: int) -> str:
    """Not longer than the other side takes."""
    return text if len(text) <= most else text[: most - 1] + "…"
