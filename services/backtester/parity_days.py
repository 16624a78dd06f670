"""Days as they are asked for."""

from datetime import UTC, datetime

from libs.domain.names import TIMEFRAMES
from libs.domain.times import SECOND


def day_of(text: str) -> tuple[int, int]:
    """Begin and end of a UTC day, ns.

    Raises:
        ValueError: it is none.
    """
    try:
        begins = int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()) * SECOND
    except ValueError:
        raise ValueError(f"expected a day such as 2013-10-07, got {text!r}") from None
    return begins, begins + TIMEFRAMES["1d"]
