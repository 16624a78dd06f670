"""Log lines as an operator reads them: what a record says, which ones were asked for, and how they look on a screen."""

import re
import textwrap
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Final, NamedTuple, Self

import msgspec

LEVELS: Final = ("debug", "info", "warning", "error", "critical")
WIDTH: Final = 100
SERVICE_WIDTH: Final = 15  # of the longest name of a service
IDS: Final = ("order_id", "client_order_id", "signal_id")
ATTEMPT: Final = 30  # characters of a client order id that all attempts of an order share
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class _Error(msgspec.Struct):
    type: str = ""
    message: str = ""
    stack_trace: str = ""


class _Named(msgspec.Struct):
    name: str = ""


class _Event(msgspec.Struct):
    action: str = ""
    outcome: str = ""


class _Trace(msgspec.Struct):
    id: str = ""


class _Log(msgspec.Struct):
    level: str = ""


class _Record(msgspec.Struct):
    """A line in Elastic's common schema; Filebeat makes objects of names with dots."""

    at: datetime = msgspec.field(name="@timestamp")
    message: str
    dotted_level: str = msgspec.field(name="log.level", default="")
    log: _Log = msgspec.field(default_factory=_Log)
    service: _Named = msgspec.field(default_factory=_Named)
    event: _Event = msgspec.field(default_factory=_Event)
    trace: _Trace = msgspec.field(default_factory=_Trace)
    error: _Error | None = None
    labels: dict[str, str] = {}


_decode: Final = msgspec.json.Decoder(_Record, strict=False).decode


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a service's log."""

    at: datetime
    service: str
    level: str
    message: str
    action: str = ""
    outcome: str = ""
    trace: str = ""
    labels: Mapping[str, str] = {}
    error: str = ""  # type and message
    stack: str = ""
    raw: bool = False  # it is no log record: shown as it is, at the time of the record before it

    @classmethod
    def read(cls, text: bytes) -> Self:
        """A line as a service writes it.

        Raises:
            msgspec.MsgspecError: it is no log record.
        """
        return cls._of(_decode(text))

    @classmethod
    def stored(cls, document: Mapping[str, object]) -> Self:
        """A line as Elasticsearch keeps it; raises as `read`."""
        return cls._of(msgspec.convert(document, _Record, strict=False))

    @classmethod
    def unread(cls, text: bytes, service: str, at: datetime) -> Self:
        """A line that is no log record."""
        return cls(at=at, service=service, level="info", message=text.decode(errors="replace"), raw=True)

    @classmethod
    def _of(cls, record: _Record) -> Self:
        error = record.error
        return cls(
            at=record.at if record.at.tzinfo else record.at.replace(tzinfo=UTC),
            service=record.service.name or "-",
            level=(record.dotted_level or record.log.level or "info").lower(),
            message=record.message,
            action=record.event.action,
            outcome=record.event.outcome,
            trace=record.trace.id,
            labels=record.labels,
            error=f"{error.type}: {error.message}" if error else "",
            stack=error.stack_trace if error else "",
        )

    def json(self) -> str:
        """As one line of JSON, without what it does not say."""
        found = {name: value for name, value in msgspec.structs.asdict(self).items() if value or name == "message"}
        return msgspec.json.encode(found).decode()


class Story(NamedTuple):
    """The signal that a story is about, with its orders; what ids there are of it."""

    signal_id: str

    def tells(self, line: LogLine) -> bool:
        """Whether the line is of it."""
        return self.signal_id in (line.trace, line.labels.get("signal_id"))


class Wanted(NamedTuple):
    """Which lines were asked for."""

    services: Collection[str] = ()  # all of them when empty
    level: str = "debug"  # this one and worse
    since: datetime | None = None
    grep: re.Pattern[str] | None = None
    story: Story | None = None

    def __call__(self, line: LogLine) -> bool:
        """Whether this is one."""
        return (
            (not self.services or line.service in self.services)
            and at_least(line.level, self.level)
            and (self.since is None or line.at >= self.since)
            and (self.story is None or self.story.tells(line))
            and (self.grep is None or any(map(self.grep.search, (line.message, line.error, line.stack, *line.labels.values()))))
        )


def at_least(level: str, wanted: str) -> bool:
    """Whether a level is as bad as `wanted`, or worse; one we do not know is."""
    return level not in LEVELS or LEVELS.index(level) >= LEVELS.index(wanted)


def begins(line: LogLine, id_: str) -> bool:
    """Whether an id of the line begins so: with or without dashes, in either case."""
    start = plain(id_)
    client = plain(line.labels.get("client_order_id", ""))
    return any(plain(line.labels.get(name, "")).startswith(start) for name in IDS) or (
        len(start) > ATTEMPT and client[:ATTEMPT] == start[:ATTEMPT]
    )


def plain(id_: str) -> str:
    """An id as it is compared."""
    return id_.replace("-", "").casefold()


# --- on a screen


class Screen:
    """Lines under each other, day by day; each a row or, when it is long, several."""

    def __init__(self, *, width: int | None = WIDTH, since: datetime | None = None) -> None:
        """`width`: None never breaks a line. `since`: what the lines of a story are timed from; None for lines of no story."""
        self._width = width
        self._since = since
        self._day: date | None = None

    def rows(self, line: LogLine) -> Iterable[str]:
        """The line, after its day when that is another than the last line's."""
        at = line.at.astimezone(UTC)
        if at.date() != self._day:
            self._day = at.date()
            yield f"{at:%Y-%m-%d}, UTC" + (f"{'SINCE, ms':>11}" if self._since else "")
        bad = at_least(line.level, "warning")
        if self._since is None:
            told = f"{'raw' if line.raw else line.level.upper():<8}"
            text = line.message
        else:
            told = f"{(line.at - self._since).total_seconds() * 1000:>9,.1f}"
            text = f"{line.level.upper()} {line.message}" if bad else line.message
        head = f"{at:%H:%M:%S}.{at.microsecond // 1000:03}  {told}  {clean(line.service):<{SERVICE_WIDTH}}  "
        yield from self._broken(head, clean(text))
        if line.stack:
            yield from (f"    {clean(row)}" for row in line.stack.rstrip().splitlines())
        elif line.error and line.error not in line.message:
            yield from self._broken(" " * len(head), clean(line.error))

    def _broken(self, head: str, text: str) -> Iterable[str]:
        """The first row begins with the head, the others stand below its text."""
        if self._width is None or len(head) + len(text) <= self._width:
            return [head + text]
        rows = textwrap.wrap(text, max(20, self._width - len(head)), break_on_hyphens=False)
        return [(head if n == 0 else " " * len(head)) + row for n, row in enumerate(rows)]


def clean(text: str) -> str:
    """The text with what steers a terminal made visible: a log line must not move the cursor, nor begin another line."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", text).replace("\n", "\\n")


def title(lines: Iterable[LogLine]) -> list[str]:
    """What a story is about, from its own lines."""
    told: dict[str, list[str]] = {}
    for line in lines:
        for name, value in line.labels.items():
            if value not in told.setdefault(name, []):
                told[name].append(value)
    orders = zip(told.get("order_id", []), told.get("client_order_id", []), strict=False)
    head = [f"order       {clean(order)}, at the venue {clean(client)}" for order, client in orders]
    of = ", ".join(f"{word} {clean(' '.join(told[name]))}" for name, word in _TITLE.items() if name in told)
    session = [f"session     {clean(' '.join(told['session_id']))}"] if "session_id" in told else []
    return [*head, f"signal      {clean(' '.join(told.get('signal_id', ['-'])))}", *([f"            {of}"] if of else []), *session]


_TITLE: Final = {"strategy": "strategy", "symbol": "on", "account_id": "account"}
