"""`fleet parity DAY`: a day that the fleet traded, beside the same day through the backtester."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from fleet import record
from fleet.operating import OK, REFUSED, USAGE, Answer, Json, failed
from fleet.plan import FleetSettings
from libs.common.database import Database
from libs.domain.stories import Cause, Difference
from libs.domain.times import iso
from libs.store import sessions
from libs.venues.replay.dataset import DataNotFound
from services.backtester.parity import Compared, NothingTraded, compare, configured, counted
from services.backtester.parity_days import day_of

CAUSES: Final[dict[Cause, str]] = {
    "data": "the two did not decide on the same bars, parameters or earlier bars",
    "timing": "something came too late for one of them, or was not running",
    "refusal": "one side's risk controls or venue said no",
    "slippage": "the same event filled at another price",
    "fee": "the same fill was charged another fee",
    "follows": "only because of an earlier difference: mend that one first",
}
SHOWN: Final = 10
"""Differences of one cause that are listed; --json has them all."""


def command(
    day: Annotated[str, typer.Argument(metavar="DAY", help="As 2013-10-07, market time, UTC.")],
    session: Annotated[str | None, typer.Option(metavar="ID", help="Not the newest session that played the day, but this one.")] = None,
    from_files: Annotated[bool, typer.Option("--from-files", help="Take the bars from MARKET_DATA_DIR, not from the record.")] = False,
    json: Json = False,
) -> None:
    """Play a day again through the backtester and list every difference with its cause; exit code 1 when there are any."""

    async def work(database: Database, settings: FleetSettings) -> Answer:
        return await parity(database, settings, day, session, from_files=from_files)

    raise typer.Exit(record.ask(work, json=json))


async def parity(database: Database, settings: FleetSettings, text: str, session_id: str | None, *, from_files: bool) -> Answer:
    """Compares a day; the code says whether it is equal.

    Raises:
        ConfigError: the configuration cannot be used.
        Unreachable: the record is away.
    """
    files = settings.recordings() if from_files else None
    if from_files and files is None:
        return failed("--from-files reads recorded markets from the folder MARKET_DATA_DIR, which is not set", USAGE)
    try:
        day = day_of(text)
        found = await compare(database, day, configured(Path(settings.config_dir), settings.environment), session_id, files)
    except (DataNotFound, NothingTraded, ValueError) as error:
        return failed(str(error), USAGE)
    until = await _goes_on_from(database, found, day[1])
    equal = all(compared.equal for compared in found)
    data = {"day": text, "equal": equal, "played_until": until, "accounts": [_with_causes(compared) for compared in found]}
    return Answer(parity_text(text, found, until), data, OK if equal else REFUSED)


async def _goes_on_from(database: Database, found: Sequence[Compared], ends: int) -> str | None:
    """Where a session that has not come to the day's end yet will go on; None of one that has nothing more to come."""
    playing = await sessions.current(database)
    if playing is None or playing.market_time >= ends or playing.session_id not in {compared.session_id for compared in found}:
        return None
    return iso(playing.market_time)


def _with_causes(compared: Compared) -> dict[str, object]:
    told = [difference._asdict() for difference in compared.differences]
    return {**msgspec.structs.asdict(compared), "equal": compared.equal, "causes": counted(compared), "differences": told}


def parity_text(day: str, found: Sequence[Compared], played_until: str | None) -> str:
    """The outcome in words."""
    lines = []
    if played_until is not None:
        lines.append(f"the day is not over: compared up to {played_until}, market time; what was on its way at that moment may differ")
    for compared in found:
        lines += _account(day, compared)
    return "\n".join(lines or [f"the session that played {day} has no account"])


def _account(day: str, compared: Compared) -> list[str]:
    counts = f"{compared.signals:,} signals, {compared.orders:,} orders, {compared.trades:,} trades"
    head = [
        f"account {compared.account_id}, {day}: {counts}",
        f"  session {compared.session_id}, {compared.feed}, {compared.mode}; backtest over {compared.source}",
    ]
    if compared.limits:
        head.append(f"  limits were changed; compared with those that held: {'; '.join(compared.limits)}")
    head += [f"  FAILED in the backtest: {fault}" for fault in compared.faults]
    if compared.equal:
        what = "order, trade and balance" if compared.balances else "order and trade; the balances once its last step is through"
        return [*head, f"  equal to the last digit: every signal, {what}"]
    head.append(f"  NOT equal: {len(compared.differences):,} differences")
    for cause, meaning in CAUSES.items():
        head += _of_cause(cause, meaning, [d for d in compared.differences if d.cause == cause])
    return head


def _of_cause(cause: str, meaning: str, differences: Sequence[Difference]) -> list[str]:
    if not differences:
        return []
    lines = [f"  {cause}, {len(differences):,}: {meaning}"]
    for d in differences[:SHOWN]:
        at = f"{iso(d.at)} " if d.at else ""
        lines += [f"    {at}{d.kind} {d.what}: {d.why}", f"      fleet     {d.fleet}", f"      backtest  {d.backtest}"]
    left = len(differences) - SHOWN
    return [*lines, f"    and {left:,} more; --json has them all"] if left > 0 else lines
