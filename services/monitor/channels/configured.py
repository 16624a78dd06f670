"""Which ways to the operator there are: those with credentials. The others are off, and say what they want."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import aiohttp

from libs.common.clocks import HostClock
from libs.domain.configuration import ChannelConfig, ChannelName
from services.monitor.channels.channel import Channel
from services.monitor.channels.discord import Discord
from services.monitor.channels.email import Email
from services.monitor.channels.gotify import Gotify
from services.monitor.channels.slack import Slack
from services.monitor.settings import MonitorSettings

WANTS: Final[Mapping[ChannelName, tuple[str, ...]]] = {
    "gotify": ("gotify_url", "gotify_token"),
    "email": ("email_smtp_server", "email_from", "email_to"),
    "slack": ("slack_webhook_url",),
    "discord": ("discord_webhook_url",),
}
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


class Configured(NamedTuple):
    """The channels that are on, and why each of the others is off."""

    on: Mapping[str, Channel]
    off: Mapping[str, str]


def configured(channels: tuple[ChannelConfig, ...], settings: MonitorSettings, http: aiohttp.ClientSession, clock: HostClock) -> Configured:
    """Opens every channel that is enabled and has its credentials."""
    on: dict[str, Channel] = {}
    off: dict[str, str] = {kind: "not in config/notifications.toml" for kind in WANTS}
    for channel in channels:
        missing = [name.upper() for name in WANTS[channel.kind] if not getattr(settings, name)]
        if not channel.enabled:
            off[channel.kind] = "enabled = false in config/notifications.toml"
        elif missing:
            off[channel.kind] = f"set {' and '.join(missing)}"
        else:
            on[channel.kind] = _opened(channel.kind, settings, http, clock)
            del off[channel.kind]
    return Configured(on, off)


def _opened(kind: ChannelName, settings: MonitorSettings, http: aiohttp.ClientSession, clock: HostClock) -> Channel:
    match kind:
        case "gotify":
            return Gotify(http, settings.gotify_url, settings.gotify_token)
        case "slack":
            return Slack(http, settings.slack_webhook_url)
        case "discord":
            return Discord(http, settings.discord_webhook_url)
        case "email":
            return Email(
                clock,
                settings.email_smtp_server,
                settings.email_smtp_port,
                username=settings.email_username,
                password=settings.email_password,
                sender=settings.email_from,
                to=settings.email_to,
                tls=settings.email_smtp_server not in LOOPBACK,
            )
