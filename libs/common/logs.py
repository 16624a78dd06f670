"""One JSON line per event on stdout, in Elastic's common schema, with the ids that connect the lines of one order."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import ecs_logging


def configure(service: str, level: str) -> None:
    """Sends every log record of this process to stdout."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(ecs_logging.StdlibFormatter(extra={"service.name": service}, exclude_fields=["process", "log.original"]))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


class Correlated(logging.LoggerAdapter[logging.Logger]):
    """A logger that puts ids (signal, order, strategy, symbol) beside each line as labels."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {"labels": {**(self.extra or {}), **kwargs.pop("labels", {})}}
        return msg, kwargs
