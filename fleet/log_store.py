"""The fleet's logs in Elasticsearch, where Filebeat ships them to (deploy/filebeat): read in pages, and set up once."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self

import elastic_transport
import elasticsearch
import msgspec
from elasticsearch import AsyncElasticsearch

from fleet.log_lines import ATTEMPT, LEVELS, LogLine, Wanted, at_least
from fleet.log_settings import StoreError, StoreSettings

INDEX: Final = "logs-fleet-*"
NAME: Final = "logs-fleet"  # of policy and template
PAGE: Final = 1_000
KEEP: Final = "1m"  # how long the server keeps a search between two pages
BUSY: Final = (429, 502, 503, 504)
LOOK_S: Final = 1.0
LATE: Final = timedelta(seconds=10)  # how long a line may take from a service to the store before following misses it
FILES: Final = Path(__file__).parents[1] / "deploy" / "elasticsearch"


class LogStore:
    """A client of Elasticsearch."""

    def __init__(self, client: AsyncElasticsearch, url: str) -> None:
        self._client = client
        self._url = url

    @classmethod
    @asynccontextmanager
    async def opened(cls, settings: StoreSettings) -> AsyncIterator[Self]:
        """A client whose every fault, whichever call meets it, is a StoreError."""
        url = settings.elasticsearch_url
        id_, colon, key = settings.elasticsearch_api_key.partition(":")
        if not url.startswith(("http://", "https://")):
            raise StoreError(f"ELASTICSEARCH_URL: expected http://host:9200 or https://host:9200, got {url!r}")
        try:
            client = AsyncElasticsearch(
                url,
                api_key=(id_, key) if colon else id_ or None,
                request_timeout=10,
                max_retries=4,
                retry_on_status=BUSY,
                retry_on_timeout=True,
                retry_backoff_base=0.2,
                retry_backoff_cap=2.0,
            )
        except (ValueError, elastic_transport.TransportError) as error:
            raise StoreError(f"ELASTICSEARCH_URL: {error}; expected http://host:9200 or https://host:9200") from error
        try:
            yield cls(client, url)
        except (elasticsearch.ApiError, elastic_transport.TransportError, elasticsearch.UnsupportedProductError) as error:
            raise StoreError(said(error, url)) from error
        finally:
            await client.close()

    async def signals(self, id_: str, limit: int = 5) -> list[str]:
        """Signals of which there are lines with an id that begins so, or of an order with such an id."""
        found = await self._client.search(
            index=INDEX,
            query={"bool": {"should": _beginning(id_), "minimum_should_match": 1, "filter": [{"exists": {"field": "trace.id"}}]}},
            collapse={"field": "trace.id"},
            source_includes=["trace.id"],
            size=limit,
        )
        return sorted(LogLine.stored({"@timestamp": 0, "message": "", **hit["_source"]}).trace for hit in found["hits"]["hits"])

    async def lines(self, wanted: Wanted, newest: int | None = None) -> list[LogLine]:
        """Lines in order of time; of many only so many of the newest."""
        kept: deque[LogLine] = deque(maxlen=newest)
        async for line in self._newest_first(wanted):
            kept.append(line)
            if newest is not None and len(kept) == newest:
                break
        return list(reversed(kept))

    async def follow(self, wanted: Wanted, since: datetime) -> AsyncIterator[LogLine]:
        """Lines as they come in, from `since` on, until cancelled. Each look goes back a little, for those that were long on their way."""
        seen: dict[str, datetime] = {}
        while True:
            for id_, line in await self._from(wanted._replace(since=since)):
                if id_ not in seen:
                    yield line
                seen[id_] = line.at
            if seen:
                since = max(since, max(seen.values()) - LATE)
                seen = {id_: at for id_, at in seen.items() if at >= since}
            await asyncio.sleep(LOOK_S)

    async def set_up(self, folder: Path = FILES) -> str:
        """Installs policy and template, over those that are there; the server's version."""
        info = await self._client.info()
        policy, template = (json.loads((folder / f"{name}.json").read_text()) for name in ("ilm-policy", "index-template"))
        await self._client.ilm.put_lifecycle(name=NAME, policy=policy["policy"])
        await self._client.indices.put_index_template(name=NAME, **template)
        return str(info["version"]["number"])

    async def _newest_first(self, wanted: Wanted) -> AsyncIterator[LogLine]:
        async for hits in self._pages(wanted, "desc"):
            for hit in hits:
                line = _line(hit)
                if line is not None and wanted(line):
                    yield line

    async def _from(self, wanted: Wanted) -> list[tuple[str, LogLine]]:
        found = [(hit["_id"], _line(hit)) async for hits in self._pages(wanted, "asc") for hit in hits]
        return [(id_, line) for id_, line in found if line is not None and wanted(line)]

    async def _pages(self, wanted: Wanted, order: str) -> AsyncIterator[list[Mapping[str, Any]]]:
        """What one moment of the index holds, page by page: lines that come in meanwhile neither repeat nor hide any."""
        moment = (await self._client.open_point_in_time(index=INDEX, keep_alive=KEEP))["id"]
        after: list[Any] | None = None
        try:
            while True:
                answer = await self._client.search(
                    pit={"id": moment, "keep_alive": KEEP},
                    query=query(wanted),
                    sort=[{"@timestamp": {"order": order}}, {"_shard_doc": {"order": order}}],
                    search_after=after,
                    size=PAGE,
                    track_total_hits=False,
                )
                moment = answer.get("pit_id", moment)
                hits = answer["hits"]["hits"]
                if hits:
                    yield hits
                if len(hits) < PAGE:
                    return
                after = hits[-1]["sort"]
        finally:
            await self._client.close_point_in_time(id=moment)


def query(wanted: Wanted) -> dict[str, Any]:
    """What the server can tell of what was asked for; expressions are left to us."""
    filters: list[dict[str, Any]] = []
    if wanted.services:
        filters.append({"terms": {"service.name": sorted(wanted.services)}})
    if wanted.level != LEVELS[0]:
        filters.append({"terms": {"log.level": [level for level in LEVELS if at_least(level, wanted.level)]}})
    if wanted.since is not None:
        filters.append({"range": {"@timestamp": {"gte": wanted.since.isoformat()}}})
    if wanted.story is not None:
        signal = wanted.story.signal_id
        filters.append({"bool": {"should": [{"term": {"trace.id": signal}}, {"term": {"labels.signal_id": signal}}]}})
    return {"bool": {"filter": filters}} if filters else {"match_all": {}}


def said(error: Exception, url: str) -> str:
    """A fault of Elasticsearch in words, with what to do."""
    if isinstance(error, elasticsearch.UnsupportedProductError):
        return f"{url} answers, but is no Elasticsearch: ELASTICSEARCH_URL must name one of version 9"
    if isinstance(error, elasticsearch.ApiError):
        status, reason = error.meta.status, _reason(error)
        if status == 401:
            return f"Elasticsearch at {url} does not know us (401): set ELASTICSEARCH_API_KEY or ELASTICSEARCH_API_KEY_FILE to a valid key"
        if status == 403:
            return f"Elasticsearch at {url} refuses us (403): the key may not do that on {INDEX}: {reason}"
        if status == 400 and "media_type" in f"{error.error} {reason}":
            return f"Elasticsearch at {url} is too old: expected version 9, as the client is"
        if status in BUSY:
            return f"Elasticsearch at {url} is overloaded or starting ({status}), also when asked again: try later: {reason}"
        return f"Elasticsearch at {url} answers {status}: {reason}"
    if isinstance(error, elastic_transport.ConnectionTimeout):
        return f"Elasticsearch at {url} does not answer within 10 s"
    return f"Elasticsearch at {url} cannot be reached: {error}; unset ELASTICSEARCH_URL to read the files of this host"


def _reason(error: elasticsearch.ApiError) -> str:
    body = error.body
    told = body.get("error", body) if isinstance(body, dict) else body
    return str(told.get("reason", told) if isinstance(told, dict) else told)[:300]


def _beginning(id_: str) -> list[dict[str, Any]]:
    """Which of the ids may begin so; a UUID is looked for as it is written, with its dashes."""
    dashed = id_.lower() if "-" in id_ else _dashed(id_.lower())
    names = ("labels.order_id", "labels.signal_id", "trace.id")
    return [*({"prefix": {name: dashed}} for name in names), {"prefix": {"labels.client_order_id": id_.upper()[:ATTEMPT]}}]


def _dashed(digits: str) -> str:
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return "-".join(part for part in parts if part)


def _line(hit: Mapping[str, Any]) -> LogLine | None:
    """A document as a line; None when it is none of ours, whoever put it there."""
    try:
        return LogLine.stored(hit["_source"])
    except msgspec.MsgspecError:
        return None
