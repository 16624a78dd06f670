"""How long an order of a signal lives."""

from libs.domain.instruments import Calendar
from libs.domain.messages import Signal
from libs.domain.names import TIMEFRAMES
from libs.quant.calendars import DAY, next_open


def expires_at(signal: Signal, grace_ns: int, calendar: Calendar) -> int:
    """When the venue ends an order of this signal: at the end (and grace) of the next bar that begins once it is decided.

    Bars of a day skip closed days: the next one is that of the next session. Shorter ones never outlive their session.
    """
    length, known = TIMEFRAMES[signal.timeframe], signal.decided_at - grace_ns
    if length >= DAY:
        return next_open(calendar, known) + length + grace_ns
    bars = -((signal.bar_time - known) // length)  # begun since the decided one began
    return signal.bar_time + (bars + 1) * length + grace_ns
