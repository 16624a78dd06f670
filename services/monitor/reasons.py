"""Why a connection was not made, in words without an address: those of webhooks are secrets."""

import os

import aiohttp


def reason(error: aiohttp.ClientConnectorError) -> str:
    """Such as `Connection refused`."""
    number = error.os_error.errno
    return os.strerror(number) if number is not None and number > 0 else type(error.os_error).__name__
