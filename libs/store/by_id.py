"""One row by the beginning of its id, which is what people write."""

from collections.abc import Sequence
from typing import Any, Final, LiteralString

from libs.common.database import Database

_NAMED: Final = 6
"""Ids that are named where several begin alike, the newest."""


class NotOne(LookupError):
    """No row has an id that begins so, or several have; the message says which, and what to do."""


async def beginning(database: Database, select: LiteralString, prefix: str, *, called: str, listed_by: str) -> Sequence[Any]:
    """The one row whose id begins so, in upper case or lower.

    Args:
        select: a query without its `where`, of a table with `created_at`; the first column is the id.
        called: what such a row is.
        listed_by: the command that shows the ids there are.

    Raises:
        NotOne: there is none, or there are several.
    """
    ask: LiteralString = select + " where starts_with(id::text, %s) order by created_at desc, id desc limit %s"
    rows = await database.fetch(ask, (prefix.lower(), _NAMED))
    if not rows:
        raise NotOne(f"no {called} has an id that begins with {prefix!r}; `{listed_by}` lists those there are")
    if len(rows) > 1:
        raise NotOne(f"the id of more than one {called} begins with {prefix!r}: {', '.join(str(row[0]) for row in rows)}; give more of it")
    return rows[0]
