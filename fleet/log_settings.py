"""Where the logs are kept when not in files of this host. Apart from its client, which takes a third of a second to load."""

import msgspec


class StoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Elasticsearch. The key is `id:key`, or both as Elasticsearch encodes them; "" where it wants none."""

    elasticsearch_url: str = ""
    elasticsearch_api_key: str = ""


class StoreError(Exception):
    """Elasticsearch cannot be used; the message says why, and what to do."""
