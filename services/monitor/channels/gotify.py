"""Gotify: push messages to a phone from a server of one's own. https://gotify.net/docs/pushmsg"""

from typing import Final

import aiohttp

from services.monitor.channels.channel import Letter, cut, post

MOST: Final = 8000  # characters of a body


class Gotify:
    """Messages of one application. Its token is opaque: 2.x makes `A...`, 3.x others."""

    name: Final = "gotify"

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str) -> None:
        self._http = http
        self._url = url.rstrip("/") + "/message"
        self._headers = {"X-Gotify-Key": token}

    async def send(self, letter: Letter) -> None:
        extras: dict[str, object] = {"client::display": {"contentType": "text/markdown"}}
        if letter.link:
            extras["client::notification"] = {"click": {"url": letter.link}}
        body = {
            "title": cut(letter.title, 250),
            "message": cut(letter.body or letter.title, MOST),
            "priority": letter.priority,
            "extras": extras,
        }
        await post(self._http, self._url, body, self._headers)
