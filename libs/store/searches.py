"""Searches in the record, with every trial that was made. Written by the CLI in one transaction at the end of a search."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from libs.common.database import Database, Write
from libs.store.by_id import beginning


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """What a search leaves behind."""

    state: str  # done, interrupted, failed
    strategy: str
    spec: bytes  # JSON
    result: Mapping[str, Any]  # without the trials
    trials: Sequence[Mapping[str, Any]]  # n, params, figures, error
    error: str
    seconds: float  # it took
    fingerprint: str  # of the four below
    data: str
    code: str
    config: str
    engine: str


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """One search as the record has it."""

    id: UUID
    state: str
    strategy: str
    spec: dict[str, Any]
    result: dict[str, Any]
    error: str
    fingerprint: str
    data: str
    code: str
    config: str
    engine: str
    created_at: datetime
    finished_at: datetime


def stored(id_: UUID, search: Finished) -> list[Write]:
    """A search with its trials."""
    asked = Write(
        "insert into backtest_searches (id, state, strategy, spec, result, error, fingerprint, data_fingerprint, code_fingerprint,"
        " config_fingerprint, engine, created_at) values (%s, %s, %s, %s::text::jsonb, %s::text::jsonb, %s, %s, %s, %s, %s, %s,"
        " clock_timestamp() - make_interval(secs => %s))",
        (
            id_,
            search.state,
            search.strategy,
            search.spec.decode(),
            _json(search.result),
            _text(search.error),
            search.fingerprint,
            search.data,
            search.code,
            search.config,
            search.engine,
            search.seconds,
        ),
    )
    trials = Write(
        "insert into backtest_trials (search_id, n, params, figures, error) select %s, n, p::jsonb, nullif(f, 'null')::jsonb, e"
        " from unnest(%b::int8[], %b::text[], %b::text[], %b::text[]) u(n, p, f, e)",
        (
            id_,
            [trial["n"] for trial in search.trials],
            [_json(trial["params"]) for trial in search.trials],
            [_json(trial["figures"]) for trial in search.trials],
            [_text(trial["error"]) for trial in search.trials],
        ),
    )
    return [asked, trials] if search.trials else [asked]


def _json(value: object) -> str:
    return _text(msgspec.json.encode(value).decode())


def _text(text: str) -> str:
    return text.replace("\0", "\ufffd").replace("\\u0000", "\ufffd")


async def earlier(database: Database, strategy: str, data: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(params, figures) of every trial that ran in the searches of a strategy over data of this fingerprint, the oldest first."""
    rows = await database.fetch(
        "select t.params, t.figures from backtest_trials t join backtest_searches s on s.id = t.search_id"
        " where s.strategy = %s and s.data_fingerprint = %s and t.figures is not null order by s.created_at, s.id, t.n",
        (strategy, data),
    )
    return [(row[0], row[1]) for row in rows]


_COLUMNS = (
    "select id, state, strategy, spec, result, error, fingerprint, data_fingerprint, code_fingerprint, config_fingerprint, engine,"
    " created_at, finished_at from backtest_searches"
)


def _search(row: Sequence[Any]) -> Search:
    return Search(**dict(zip(Search.__struct_fields__, row, strict=True)))


async def listed(database: Database, limit: int) -> list[Search]:
    """The newest first, without their trials."""
    return [_search(row) for row in await database.fetch(_COLUMNS + " order by created_at desc, id desc limit %s", (limit,))]


async def found(database: Database, prefix: str) -> Search:
    """The one search whose id begins so, its trials in its result.

    Raises:
        NotOne: there is none, or there are several.
    """
    search = _search(await beginning(database, _COLUMNS, prefix, called="search", listed_by="fleet backtest searches"))
    trials = await database.fetch("select n, params, figures, error from backtest_trials where search_id = %s order by n", (search.id,))
    search.result["trials"] = [dict(zip(("n", "params", "figures", "error"), row, strict=True)) for row in trials]
    return search
