"""Discord by a webhook. https://docs.discord.com/developers/resources/webhook#execute-webhook"""

from typing import Final

import aiohttp

from services.monitor.channels.channel import Letter, cut, post

TITLE: Final = 256
DESCRIPTION: Final = 4096
COLOURS: Final = {"critical": 0xC62828, "warning": 0xF9A825, "info": 0x607D8B}


class Discord:
    """One channel of a server."""

    name: Final = "discord"

    def __init__(self, http: aiohttp.ClientSession, webhook_url: str) -> None:
        self._http = http
        self._url = webhook_url

    async def send(self, letter: Letter) -> None:
        embed = {"title": cut(letter.title, TITLE), "description": cut(letter.body, DESCRIPTION), "color": COLOURS[letter.severity]}
        if letter.link:
            embed["url"] = letter.link
        # Nothing in a message may call people together.
        await post(self._http, self._url, {"embeds": [embed], "allowed_mentions": {"parse": []}})
