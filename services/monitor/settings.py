"""What monitor takes from its environment. Each may come as `<NAME>_FILE`; addresses of webhooks are secrets."""

from typing import Annotated

import msgspec

from libs.common.settings import Settings


class MonitorSettings(Settings, frozen=True, kw_only=True):
    """Credentials of the channels; one without its own is off."""

    monitor_token: str = ""  # that Alertmanager must show; without one it must come from this host
    standby: bool = False  # a standby has to be there; without this it is watched from when it is first seen until it leaves
    heartbeat_url: str = ""  # before that of config/notifications.toml
    gotify_url: str = ""
    gotify_token: str = ""
    slack_webhook_url: str = ""
    discord_webhook_url: str = ""
    email_smtp_server: str = ""
    email_smtp_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 587
    email_username: str = ""
    email_password: str = ""
    email_from: str = ""
    email_to: str = ""  # several with commas between

    def shown(self) -> dict[str, object]:
        """Addresses of people are no secrets of ours to show either."""
        return super().shown() | {name: "***" for name in ("email_username", "email_from", "email_to") if getattr(self, name)}
