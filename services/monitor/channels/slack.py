"""Slack by an incoming webhook. https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks"""

from typing import Final

import aiohttp

from services.monitor.channels.channel import Letter, cut, post

TEXT: Final = 2900  # a section takes 3000 characters
SIGNS: Final = {"critical": ":red_circle:", "warning": ":large_yellow_circle:", "info": ":white_circle:"}


class Slack:
    """One channel of a workspace."""

    name: Final = "slack"

    def __init__(self, http: aiohttp.ClientSession, webhook_url: str) -> None:
        self._http = http
        self._url = webhook_url

    async def send(self, letter: Letter) -> None:
        title = cut(_escaped(letter.title), 250)
        link = f"\n<{letter.link}|What to do>" if letter.link else ""
        text = (
            f"{SIGNS[letter.severity]} *{title}*\n{cut(_escaped(letter.body).replace('**', '*'), TEXT - len(title) - len(link) - 40)}{link}"
        )
        await post(self._http, self._url, {"text": title, "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": text}}]})


def _escaped(text: str) -> str:
    """Slack's three control characters, so that no text becomes a mention or a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
