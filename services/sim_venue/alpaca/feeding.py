"""What feeds a socket while its client listens."""

import logging
from collections.abc import Coroutine
from typing import Any

from libs.common import metrics
from services.sim_venue.alpaca.door import DIALECT
from services.sim_venue.lines import Line

log = logging.getLogger(__name__)


async def feeding(work: Coroutine[Any, Any, None], line: Line) -> None:
    """Does it until cancelled. When it ends by itself (the venue stops, the client is too slow, a defect) the client is hung up on:
    a stream that says nothing any more must not look alive.
    """
    try:
        await work
    except Exception:
        log.exception("what feeds a stream of the Alpaca dialect has failed; its client is disconnected")
        metrics.SIM_ERRORS.labels(dialect=DIALECT).inc()
    await line.close()
