"""The end of an account's day: what scheduler has asked for is read from the venue, by the auditor's own way, and compared."""

import asyncio
import logging
from decimal import Decimal
from typing import Final
from uuid import UUID

from libs.common.clocks import SECOND
from libs.common.database import Database, Rejected, Unreachable
from libs.common.logs import about
from libs.domain.reconciling import Amounts, Item
from libs.domain.statements import Word, agreed, breaks
from libs.store import auditing, statements
from libs.store.statements import Asked
from services.risk_manager.brokers import NotRead, StatementReader

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 5.0
OVERLAP_NS: Final = 300 * SECOND
_ZERO: Final = Decimal(0)


class Statements:
    """Of one account."""

    def __init__(self, account_id: str, reader: StatementReader, database: Database) -> None:
        self._account_id = account_id
        self._reader = reader
        self._database = database

    async def run(self) -> None:
        """Compares what is asked for until cancelled."""
        while True:
            try:
                for asked in await statements.asked(self._database, self._account_id):
                    await self.compare(asked)
                await self._reader.close()  # the next day is far away
            except (Unreachable, Rejected) as error:
                log.warning("statements of %s wait for the database: %s", self._account_id, error, extra=about("statement", "unknown"))
            except Exception:  # a defect of an adapter must not end the comparisons
                log.exception("comparing a day of %s", self._account_id, extra=about("statement", "failure", account_id=self._account_id))
            await asyncio.sleep(LOOK_EVERY_S)

    async def compare(self, asked: Asked) -> list[Item]:
        """Reads and compares one day; what two reads see alike opens a ticket each. Those that stand."""
        try:
            found, fills = await self._read(asked)
            if found:
                await asyncio.sleep(self._reader.agree_after_s)
                again, fills = await self._read(asked)
                found = agreed(found, again)
        except NotRead as error:
            log.warning("day %s of %s is not compared yet: %s", asked.day, self._account_id, error, extra=about("statement", "unknown"))
            await self._database.write([statements.unread(self._account_id, asked.day, str(error))])
            return []
        fresh = await auditing.AuditStore(self._database, self._account_id).fresh(found)
        settled = await self._closed(found)
        standing = [item for item in found if item.id not in settled]
        detail = "; ".join(f"{item.key}: {item.ours} here, {item.theirs} there" for item in standing[:3])
        said = detail or "the same to the last digit"
        answer = statements.answered(self._account_id, asked.day, clean=not standing, fills=fills, breaks=len(standing), detail=said)
        await self._database.write([*auditing.opened(fresh), answer])
        told = about("statement", "failure" if standing else "success", account_id=self._account_id)
        level = logging.CRITICAL if standing else logging.INFO
        log.log(level, "day %s of %s: %d fills, %s", asked.day, self._account_id, fills, said, extra=told)
        return standing

    async def _read(self, asked: Asked) -> tuple[list[Item], int]:
        """The venue first: what it has by then is on its way into the record, not the other way round."""
        day = asked.span
        theirs = await self._reader.statement(day.start - OVERLAP_NS)
        keys = [line.exec_key for line in theirs.lines if day.has(line)]
        ours = await statements.ours(self._database, self._account_id, day, OVERLAP_NS, keys)
        aside = await statements.aside(self._database, self._account_id)
        ended = await statements.ended(self._database, self._account_id, theirs.open)
        accepted = await statements.accepted(self._database, self._account_id)
        listed = Word([line for line in theirs.lines if line.exec_key not in aside], theirs.open, theirs.held)
        mine = Word(ours.lines, ours.open, _plus(ours.held, accepted))
        off = await statements.off(self._database, self._account_id)
        return breaks(self._account_id, day, mine, listed, ended, off), len(keys)

    async def _closed(self, found: list[Item]) -> set[UUID]:
        """Of these, the tickets that a person has closed: that difference is known and lived with."""
        rows = await self._database.fetch(
            "select id from reconcile_items where id = any(%b::uuid[]) and decision = 'ignore'", ([item.id for item in found],)
        )
        return {row[0] for row in rows}


def _plus(held: Amounts, accepted: Amounts) -> Amounts:
    """The ledger with what may differ."""
    sums = []
    for mine, more in zip(held, accepted, strict=True):
        sums.append({name: mine.get(name, _ZERO) + more.get(name, _ZERO) for name in {*mine, *more}})
    return Amounts(*sums)
