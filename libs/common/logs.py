"""One JSON line per event on stdout, in Elastic's common schema, with the ids that connect the lines of one order.

Formatted here rather than by `ecs-logging`, whose line costs 64 us, before it is masked: the order path writes five for each order.
"""

import contextlib
import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, TextIO
from uuid import UUID

import msgspec

from libs.common import secrets

ECS: Final = "8.11.0"
DATASET: Final = "fleet"
"""What tells our records from those of other programs; Filebeat ships these, to the data stream `logs-fleet-default`."""
FULL: Final = 20 * 1024 * 1024  # bytes; then the file is put aside as `.log.1`, and another is begun
LOOK_EVERY: Final = 500  # lines between two looks at the file's size

Outcome = Literal["success", "failure", "unknown"]

log = logging.getLogger(__name__)
_encode: Final = msgspec.json.Encoder(enc_hook=str).encode
_PLAIN: Final = frozenset({str, UUID})  # what the encoder writes as text by itself, in a tenth of the time of `str(uuid)`


def about(action: str = "", outcome: Outcome | None = None, **ids: object) -> dict[str, object]:
    """The `extra` of a log line that speaks of an order, a signal, a strategy ...: what happened, and its ids as labels.

    `signal_id` is also the line's trace: by it the story of an order is told over all services. Ids that are None or "" are
    left out.
    """
    labels = {name: value if type(value) in _PLAIN else str(value) for name, value in ids.items() if value is not None and value != ""}
    extra: dict[str, object] = {"labels": labels}
    if action:
        extra["event"] = {"action": action, "outcome": outcome} if outcome else {"action": action}
    if "signal_id" in labels:
        extra["trace"] = {"id": labels["signal_id"]}
    return extra


class EcsFormatter(logging.Formatter):
    """A record as one line of JSON, without secrets."""

    def __init__(self, service: str, version: str, environment: str) -> None:
        super().__init__()
        self._service = {"name": service, "version": version, "environment": environment}
        self._process = {"pid": os.getpid()}
        self._second = -1
        self._moment = ""

    def format(self, record: logging.LogRecord) -> str:
        more, message = record.__dict__, _message(record)
        line: dict[str, object] = {
            "@timestamp": self._at(record.created),
            "log.level": record.levelname.lower(),
            "message": message,
            "service": self._service,
            "event": {"dataset": DATASET, **more.get("event", {})},
        }
        said = [message]
        if trace := more.get("trace"):
            line["trace"] = trace
        if labels := more.get("labels"):
            line["labels"] = labels
            said += [value for value in labels.values() if type(value) is str]
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = error = self._error(record.exc_info)
            said += error.values()
        origin = {"file": {"name": record.filename, "line": record.lineno}, "function": record.funcName}
        line["log"] = {"logger": record.name, "origin": origin}
        line["process"] = self._process
        line["ecs"] = {"version": ECS}
        text = _encode(line).decode()
        return secrets.mask(text) if secrets.suspicious("\n".join(said)) else text

    def _at(self, created: float) -> str:
        """UTC, to the microsecond; lines come many to a second."""
        second = int(created)
        if second != self._second:
            self._second, self._moment = second, f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"
        return f"{self._moment}.{int((created - second) * 1e6):06}Z"

    def _error(self, exc_info: tuple[type[BaseException] | None, BaseException | None, TracebackType | None]) -> dict[str, str]:
        kind, error, _ = exc_info
        return {"type": kind.__name__ if kind else "", "message": str(error), "stack_trace": self.formatException(exc_info)}  # type: ignore[arg-type]


def _message(record: logging.LogRecord) -> str:
    """Its text; one whose arguments do not fit is still told: a line that cannot be formatted is a line about something."""
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return f"{record.msg} {record.args!r}"


class Stdout(logging.StreamHandler[TextIO]):
    """Lines to stdout. Where that is the log file the supervisor made for us, it is put aside when it is full.

    Only its writer can do that without losing a line; and a fleet that is never stopped would fill the disk.
    """

    def __init__(self, file: str = "") -> None:
        super().__init__(sys.stdout)
        self._file = Path(file) if file else None
        self._lines = 0

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        self._lines += 1
        if self._file is not None and self._lines % LOOK_EVERY == 0:
            with contextlib.suppress(OSError):  # a full disk must not end a service; the next look tries again
                self._put_aside(self._file)

    def _put_aside(self, path: Path) -> None:
        out = self.stream.fileno()
        now = os.fstat(out)
        if now.st_size < FULL or now.st_ino != path.stat().st_ino:
            return
        path.replace(path.with_suffix(".log.1"))
        new = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            if os.fstat(2).st_ino == now.st_ino:
                os.dup2(new, 2)
            os.dup2(new, out)
        finally:
            os.close(new)


def configure(service: str, level: str, *, version: str = "", environment: str = "", file: str = "") -> None:
    """Sends every log record, warning and uncaught exception of this process to stdout.

    Args:
        file: the file that stdout goes to, when it is ours to put aside; "" leaves that to others.
    """
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # nothing of it is written
    handler = Stdout(file)
    handler.setFormatter(EcsFormatter(service, version, environment))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    sys.excepthook = _uncaught


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("crashed: %s: %s", kind.__name__, error, exc_info=(kind, error, trace), extra=about("service_crashed", "failure"))
