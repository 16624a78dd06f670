"""The one thing that an example changes in its client: where the venue is."""

import os
import sys
from urllib.parse import urlsplit

VENUE = (sys.argv[1:] or [os.environ.get("SIM_VENUE_URL", "http://127.0.0.1:9108")])[0].rstrip("/")


def at_the_venue(urls: object) -> object:
    """ccxt's URLs (`exchange.urls["api"]`), each with its own path, at the simulated venue."""
    if isinstance(urls, dict):
        return {name: at_the_venue(url) for name, url in urls.items()}
    parts = urlsplit(str(urls))
    base = VENUE.replace("http", "ws", 1) if parts.scheme in ("ws", "wss") else VENUE
    return f"{base}/binance{parts.path}"
