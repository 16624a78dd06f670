"""One JSON line per event on stdout, in Elastic's common schema, with the ids that connect the lines of one order."""

import logging
import sys

import ecs_logging


def configure(service: str, level: str) -> None:
    """Sends every log record of this process to stdout."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(ecs_logging.StdlibFormatter(extra={"service.name": service}, exclude_fields=["process", "log.original"]))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


def about(**ids: object) -> dict[str, dict[str, str]]:
    """The `extra` of a log line that speaks of an order, signal or strategy: its ids as labels, to find the whole story by."""
    return {"labels": {name: str(value) for name, value in ids.items()}}
