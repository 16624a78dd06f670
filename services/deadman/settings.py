"""What deadman takes from its environment."""

from libs.common.settings import Settings


class DeadmanSettings(Settings, frozen=True, kw_only=True):
    """It acts without either server: by the database it has people told, over Redis it says that it lives."""

    database_url: str = ""
    redis_url: str = ""
