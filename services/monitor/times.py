"""The time of day, as rows hold it."""

from datetime import UTC, datetime

from libs.common.clocks import HostClock


def utc(clock: HostClock) -> datetime:
    """Host time, to the microsecond."""
    return datetime.fromtimestamp(clock.now_ns() / 1e9, UTC)
