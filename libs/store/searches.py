"""Searches in the record, with every trial that was made. Written by backtester and the CLI.

The table is the queue of the service: `queued`, then `running`, then `done` or `failed`. The CLI writes a search at its end. A result and
its trials are one transaction.
"""

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
    state: str  # queued, running, done, interrupted, failed
    strategy: str
    spec: dict[str, Any]
    result: dict[str, Any] | None  # None: it has not ended, or could not be run
    error: str
    fingerprint: str
    data: str
    code: str
    config: str
    engine: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class Taken(msgspec.Struct, frozen=True):
    """A search that is ours to run."""

    id: UUID
    spec: dict[str, Any]


def queued(id_: UUID, strategy: str, spec: bytes) -> Write:
    """A search that somebody asks for; `spec` is JSON."""
    return Write(
        "insert into backtest_searches (id, state, strategy, spec) values (%s, 'queued', %s, %s::text::jsonb)",
        (id_, strategy, spec.decode()),
    )


async def take(database: Database) -> Taken | None:
    """The search that has waited longest, now `running`; None when none waits."""
    (rows,) = await database.write(
        [
            Write(
                "update backtest_searches set state = 'running', started_at = clock_timestamp() where id = (select id from"
                " backtest_searches where state = 'queued' order by created_at, id limit 1 for update skip locked) returning id, spec",
                (),
            )
        ]
    )
    return Taken(*rows[0]) if rows else None


def taken_back() -> Write:
    """What a service that is gone was running waits again. A search that runs twice by that finds the same twice."""
    return Write("update backtest_searches set state = 'queued', started_at = null where state = 'running'", ())


def stored(id_: UUID, search: Finished) -> list[Write]:
    """A search that has been run already."""
    asked = Write(
        "insert into backtest_searches (id, state, strategy, spec, created_at, started_at) select %s, 'running', %s, %s::text::jsonb, t, t"
        " from (select clock_timestamp() - make_interval(secs => %s)) began(t)",
        (id_, search.strategy, search.spec.decode(), search.seconds),
    )
    return [asked, *finished(id_, search)]


def finished(id_: UUID, search: Finished) -> list[Write]:
    """A result with its trials, kept once: the first result of a search stays."""
    done = Write(
        "update backtest_searches set state = %s, result = %s::text::jsonb, error = %s, fingerprint = %s, data_fingerprint = %s,"
        " code_fingerprint = %s, config_fingerprint = %s, engine = %s, finished_at = clock_timestamp()"
        " where id = %s and state in ('queued', 'running')",
        (
            search.state,
            _json(search.result),
            _text(search.error),
            search.fingerprint,
            search.data,
            search.code,
            search.config,
            search.engine,
            id_,
        ),
    )
    trials = Write(
        "insert into backtest_trials (search_id, n, params, figures, error) select %s, n, p::jsonb, nullif(f, 'null')::jsonb, e"
        " from unnest(%b::int8[], %b::text[], %b::text[], %b::text[]) u(n, p, f, e) on conflict do nothing",
        (
            id_,
            [trial["n"] for trial in search.trials],
            [_json(trial["params"]) for trial in search.trials],
            [_json(trial["figures"]) for trial in search.trials],
            [_text(trial["error"]) for trial in search.trials],
        ),
    )
    return [done, trials] if search.trials else [done]


def failed(id_: UUID, error: str) -> Write:
    """A search that cannot be run, and why."""
    return Write(
        "update backtest_searches set state = 'failed', error = %s, finished_at = clock_timestamp()"
        " where id = %s and state in ('queued', 'running')",
        (_text(error), id_),
    )


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
    " created_at, started_at, finished_at from backtest_searches"
)


def _search(row: Sequence[Any]) -> Search:
    return Search(**dict(zip(Search.__struct_fields__, row, strict=True)))


async def listed(database: Database, limit: int) -> list[Search]:
    """The newest first, without their trials."""
    return [_search(row) for row in await database.fetch(_COLUMNS + " order by created_at desc, id desc limit %s", (limit,))]


async def found(database: Database, prefix: str) -> Search:
    """The one search whose id begins so, its trials in its result, where it has one.

    Raises:
        NotOne: there is none, or there are several.
    """
    search = _search(await beginning(database, _COLUMNS, prefix, called="search", listed_by="fleet backtest searches"))
    if search.result is None:
        return search
    trials = await database.fetch("select n, params, figures, error from backtest_trials where search_id = %s order by n", (search.id,))
    search.result["trials"] = [dict(zip(("n", "params", "figures", "error"), row, strict=True)) for row in trials]
    return search
