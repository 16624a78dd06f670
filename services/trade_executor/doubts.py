"""Fills that the venue's own sum of their order, as far as it is known, has no room for.

After a restart nobody remembers what the venue has told of fills to come, and what it shows may lag: a fill that was missed
then looks like one too many, until those after it are shown as well. So it is looked at again, as everything that two reads
have to agree on; it comes with each of them.
"""

from libs.common.clocks import HostClock


class Doubts:
    """Of one account."""

    def __init__(self, host: HostClock) -> None:
        self._host = host
        self._since: dict[str, float] = {}

    def waits(self, exec_key: str, lag_s: float) -> bool:
        """Whether it is too early to put the fill aside: reads of that age may not show what comes after it."""
        now = self._host.monotonic()
        return now - self._since.setdefault(exec_key, now) < lag_s
