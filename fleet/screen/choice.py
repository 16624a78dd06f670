"""Which face a run has."""

import asyncio
import sys
from collections.abc import Callable
from typing import TextIO

from fleet.face import Face, Lines
from fleet.operating import cool_off
from fleet.plan import Plan
from fleet.screen.layout import LEAST_HEIGHT, LEAST_WIDTH
from fleet.screen.live import Live
from fleet.screen.picture import Picture
from fleet.screen.reading import Reading, Title
from fleet.screen.terminal import usable
from libs.common.clocks import HostClock


def face(plan: Plan, clock: HostClock, stopping: asyncio.Event, gone: Callable[[], None]) -> Face:
    """A live screen where stdout is a terminal that can show one and nobody asked for lines; else plain lines.

    Args:
        stopping: set to end the run.
        gone: called once when nobody can be told anything any more.

    Raises:
        ConfigError: the limits cannot be read.
    """
    options = plan.options
    plain = Lines(sys.stderr if options.json else sys.stdout, gone)
    if options.screenshot is not None:
        return Picture(plain, _reading(plan, clock), options.screenshot)
    if options.json or options.plain or not usable(sys.stdout, plan.environment, (LEAST_WIDTH, LEAST_HEIGHT)):
        return plain
    streams = (sys.stdout.fileno(), _descriptor(sys.stdin))
    return Live(
        _reading(plan, clock),
        plain,
        streams,
        plan.environment,
        clock,
        stopping,
        gone,
        state=plan.state,
        cool_off_s=cool_off(plan.settings),
    )


def _reading(plan: Plan, clock: HostClock) -> Reading:
    played = plan.market
    return Reading(Title(played.what, played.prices, played.symbols, played.live), clock)


def _descriptor(stream: TextIO | None) -> int:
    """Of a stream; -1, which is no terminal, when there is none."""
    try:
        return stream.fileno() if stream is not None else -1
    except (OSError, ValueError):
        return -1
