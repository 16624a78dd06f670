"""`fleet diagnose`: what is wrong, what it means and where to read on; then all that can be seen. Works with whatever still works."""

import asyncio
import io
import os
import tarfile
import textwrap
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from os import environ
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from fleet import facts, log_files
from fleet.diagnosis import Finding, findings
from fleet.facts import Facts, ServiceSeen
from fleet.log_lines import WIDTH, Screen, clean
from fleet.operating import NOTHING_RUNS, OK, REFUSED, USAGE, Answer, Json, failed, tell
from fleet.plan import FleetSettings
from fleet.tables import NONE, moment, share, table
from libs.common.clocks import SystemClock
from libs.common.secrets import mask
from libs.common.settings import ConfigError, from_environment
from libs.domain.times import SECOND
from libs.store.queries.condition import LeaseStands

INDENT: Final = " " * 10
RESTARTED_S: Final = 30.0  # a service so much younger than the oldest has been started again


def command(
    bundle: Annotated[Path | None, typer.Option(metavar="FILE.tar.gz", help="Pack this and the logs, without secrets.")] = None,
    json: Json = False,
) -> None:
    """What is wrong, what it means and where to read on; then all that can be seen."""
    raise typer.Exit(tell(_answer(bundle), json=json, page=True))


def _answer(bundle: Path | None) -> Answer:
    try:
        settings = from_environment(FleetSettings, environ)
    except ConfigError as error:
        return failed(str(error), USAGE)
    seen = asyncio.run(facts.gather(settings, environ, SystemClock()))
    found = findings(seen)
    answer = Answer(text(seen, found), data(seen, found), _code(seen, found))
    if bundle is None:
        return answer
    try:
        pack(bundle, answer, Path(seen.state_dir) / "logs")
    except OSError as error:
        return failed(f"--bundle {bundle}: {error.strerror}", USAGE)
    return answer._replace(text=f"{answer.text}\n\nbundle    {bundle}: this page, the same as JSON, and the logs; all without secrets")


def _code(seen: Facts, found: Sequence[Finding]) -> int:
    if seen.nothing_runs:
        return NOTHING_RUNS
    return REFUSED if found else OK


def data(seen: Facts, found: Sequence[Finding]) -> dict[str, object]:
    """For JSON."""
    return {"ok": not found and not seen.nothing_runs, "findings": found, "facts": seen}


def text(seen: Facts, found: Sequence[Finding]) -> str:
    """For a person: findings first."""
    return "\n".join([*_findings(seen, found), "", *_details(seen)])


def _findings(seen: Facts, found: Sequence[Finding]) -> Iterator[str]:
    if seen.nothing_runs:
        yield from wrapped(f"{'NO FLEET':<10}{seen.nothing_runs}")
    elif not found:
        yield "nothing is wrong, as far as can be seen from here"
    for finding in found:
        yield from wrapped(f"{finding.severity.upper():<10}{finding.what}")
        yield from wrapped(f"{INDENT}{finding.means}")
        if finding.runbook:
            yield f"{INDENT}docs/runbooks/{finding.runbook}.md"


def wrapped(line: str) -> list[str]:
    """A line as rows of a page, those after the first set in."""
    return textwrap.wrap(clean(line), WIDTH, subsequent_indent=INDENT, break_on_hyphens=False, drop_whitespace=True) if line else [line]


def _details(seen: Facts) -> Iterator[str]:
    began = f", process {seen.pid}, since {seen.since} UTC" if seen.pid else ""
    yield f"at        {moment(seen.at)} UTC; state in {seen.state_dir}{began}"
    yield from _servers(seen)
    if seen.services:
        yield ""
        yield _service_table(seen)
    if seen.record is not None:
        yield from _record(seen)
    yield ""
    yield from _host(seen)
    yield from _complaints(seen)


def _servers(seen: Facts) -> Iterator[str]:
    record = seen.record.server if seen.record else None
    for name, server in (("postgres", seen.postgres), ("redis", seen.redis)):
        if server is not None:
            took = f"answers in {server.latency_ms:g} ms" if server.latency_ms is not None else ""
            of = f", version {record.version}, {record.size_bytes / 1e6:,.0f} MB" if record and name == "postgres" else ""
            yield from wrapped(f"{name:<10}{took}{of}" if server.ok else f"{name:<10}{server.detail}")


def _service_table(seen: Facts) -> str:
    longest = max((s.uptime_s for s in seen.services if s.uptime_s is not None), default=0.0)
    rows = []
    for s in seen.services:
        again = " (started again)" if s.uptime_s is not None and s.uptime_s < longest - RESTARTED_S else ""
        state = s.state[: WIDTH - 48]  # the findings tell it whole
        rows.append((s.name, str(s.pid or NONE), _duration(s.uptime_s), s.version or NONE, state + again))
    return table(("SERVICE", "PROCESS", "UP FOR", "VERSION", "STATE"), rows, left=5)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return NONE
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def _record(seen: Facts) -> Iterator[str]:
    record = seen.record
    assert record is not None
    yield ""
    session = record.session
    if session is None:
        yield "session   none yet"
    else:
        at = moment(datetime.fromtimestamp(session.market_time / SECOND, UTC))
        pace = "in lockstep" if session.mode == "lockstep" else f"{session.speed:g}x"
        yield f"session   {session.feed}, {pace}, {session.state}{', paused' if session.paused else ''}; market time {at} UTC"
        yield f"          {session.session_id}, accounts {', '.join(session.accounts)}"
    yield "ledger    " + (seen.ledger_missing if seen.ledger is None else _ledger(seen))
    orders = ", ".join(f"{count} {status}" for status, count in record.orders.items())
    yield f"orders    {orders or 'none open'}"
    yield f"aside     {record.quarantined or 'nothing'} in quarantine"
    for aside in record.put_aside[:5]:
        yield from wrapped(f"          {moment(aside.at)} {aside.what}: {aside.error}")
    for lease in record.leases:
        stands = _lease(lease, lives=seen.holders.get(lease.holder, False), by=_service_of(lease.holder, seen.services))
        yield f"lease     {lease.name}, epoch {lease.epoch}, {stands}"
    for lag in record.behind:
        yield f"behind    {lag.consumer} by {lag.messages:,} of {lag.stream}, the oldest {lag.age_s:,.1f} s old"
    on = [s.strategy_id for s in seen.strategies if s.enabled and not s.failed]
    off = [s.strategy_id for s in seen.strategies if not s.enabled]
    yield f"running   {len(on)} strategies: {', '.join(on) or NONE}" + (f"; {len(off)} off: {', '.join(off)}" if off else "")
    for alert in record.alerts:
        yield from wrapped(f"alert     {alert.severity} {alert.key} since {moment(alert.since)}: {alert.title}")


def _lease(lease: LeaseStands, *, lives: bool, by: str) -> str:
    if lease.released:
        return "released"
    held = f"good for {lease.left_s:.1f} s" if lease.held else f"ran out {-lease.left_s:,.0f} s ago"
    return (f"{held}, held by {by}" if by else held) if lives else f"{held}, its process is not on this host"


def _service_of(holder: str, services: Sequence[ServiceSeen]) -> str:
    """Which service of this host a holder is; "" where that is not known. A holder's name is boot id, pid, start, namespace."""
    pid = holder.split(":")[1] if holder.count(":") > 1 else ""
    return next((service.name for service in services if pid and str(service.pid) == pid), "")


def _ledger(seen: Facts) -> str:
    if seen.ledger:
        return f"{len(seen.ledger)} differences"
    return f"balanced, {seen.ledger_missing or 'and equal to what the venue holds'}"


def _host(seen: Facts) -> Iterator[str]:
    host, config = seen.host, seen.config
    yield (
        f"host      disk {share(host.disk_free)} free ({host.disk_free_bytes / 1e9:,.1f} GB), memory {share(host.memory_free)} available,"
        f" load {host.load:.2f} on {host.cpus} cpus"
    )
    if seen.postgres is not None and seen.postgres.clock_ahead_s is not None:
        yield f"clock     {seen.postgres.clock_ahead_s:+.3f} s against the database's"
    yield f"config    {config.environment}, fingerprint {config.fingerprint}"
    releases = ", ".join(f"{name} {version}" for name, version in seen.releases.items())
    yield from wrapped(f"versions  {releases}, Python {host.python}, {host.system}")


def _complaints(seen: Facts) -> Iterator[str]:
    yield ""
    if not seen.complaints:
        yield "no service has complained of anything"
        return
    yield f"the last {len(seen.complaints)} kinds of complaint; all of them with `fleet logs --level warning`"
    screen = Screen()
    for said in seen.complaints:
        again = f" ({said.times:,} times)" if said.times > 1 else ""
        yield from screen.rows(msgspec.structs.replace(said.line, message=said.line.message + again, stack=""))


def pack(path: Path, answer: Answer, logs: Path) -> None:
    """Writes the answer and the logs into a file that only its owner can read, everything masked.

    Raises:
        OSError: it cannot be written.
    """
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out, tarfile.open(fileobj=out, mode="w:gz") as tar:
        _add(tar, "diagnose.txt", answer.text)
        _add(tar, "diagnose.json", msgspec.json.encode(answer.data).decode())
        for log in log_files.paths(logs):
            _add(tar, f"logs/{log.name}", log.read_text(errors="replace"))


def _add(tar: tarfile.TarFile, name: str, content: str) -> None:
    packed = "".join(mask(line) for line in content.splitlines(keepends=True)).encode()
    item = tarfile.TarInfo(f"diagnose/{name}")
    item.size, item.mode = len(packed), 0o600
    tar.addfile(item, io.BytesIO(packed))
