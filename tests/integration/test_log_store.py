"""`fleet logs` with the real client of Elasticsearch against a server on loopback that answers as one."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from fleet import log_store
from fleet.log_lines import Story, Wanted
from fleet.log_settings import StoreError, StoreSettings
from fleet.log_store import LogStore
from tests.log_store import Store, a_store, document

SIGNAL = "175ad979-6517-50b2-9d33-6e330c749a5b"
ORDER = "275ea10f-4877-53c7-aeea-eaee184f7dde"
CLIENT = "TWNDE5PKCD2IO5J4PLXK5LXBQT353Y1"


@pytest_asyncio.fixture
async def store() -> AsyncIterator[Store]:
    async with a_store() as found:
        yield found


async def asked(store: Store, wanted: Wanted, newest: int | None = None, key: str = "") -> list[str]:
    async with LogStore.opened(StoreSettings(elasticsearch_url=store.url, elasticsearch_api_key=key)) as logs:
        return [line.message for line in await logs.lines(wanted, newest)]


async def test_all_pages_are_read_in_order_of_time_though_lines_share_a_moment(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_store, "PAGE", 7)
    store.documents = [document(n // 3, f"{n:03}") for n in range(50)]
    assert await asked(store, Wanted()) == [f"{n:03}" for n in range(50)]
    assert len(store.searches) == 8
    assert store.open_moments == 0


async def test_of_many_lines_the_newest_are_asked_for_and_no_more(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_store, "PAGE", 10)
    store.documents = [document(n) for n in range(1000)]
    assert await asked(store, Wanted(), newest=3) == ["line 997", "line 998", "line 999"]
    assert len(store.searches) == 1


async def test_the_server_is_told_what_is_wanted(store: Store) -> None:
    since = datetime(2026, 3, 1, tzinfo=UTC)
    await asked(store, Wanted(services={"b", "a"}, level="error", since=since, story=Story(SIGNAL)))
    (search,) = store.searches
    assert search["query"]["bool"]["filter"] == [
        {"terms": {"service.name": ["a", "b"]}},
        {"terms": {"log.level": ["error", "critical"]}},
        {"range": {"@timestamp": {"gte": "2026-03-01T00:00:00+00:00"}}},
        {"bool": {"should": [{"term": {"trace.id": SIGNAL}}, {"term": {"labels.signal_id": SIGNAL}}]}},
    ]
    assert search["sort"] == [{"@timestamp": {"order": "desc"}}, {"_shard_doc": {"order": "desc"}}]


async def test_an_expression_is_left_to_us(store: Store) -> None:
    store.documents = [document(1, "one"), document(2, "two"), document(3, "x", order_id="one")]
    assert await asked(store, Wanted(grep=re.compile("^on"))) == ["one", "x"]


@pytest.mark.parametrize("text", [ORDER[:8], ORDER.replace("-", "")[:14].upper(), CLIENT[:9].lower(), CLIENT + "ZZ", SIGNAL])
async def test_a_story_is_found_by_the_beginning_of_any_of_its_ids(store: Store, text: str) -> None:
    store.documents = [
        document(1, signal=SIGNAL),
        document(2, signal=SIGNAL, order_id=ORDER, client_order_id=CLIENT),
        document(3, signal="99999999-0000-0000-0000-000000000000", order_id="88888888-0000-0000-0000-000000000000"),
    ]
    async with LogStore.opened(StoreSettings(elasticsearch_url=store.url)) as logs:
        assert await logs.signals(text) == [SIGNAL]


@pytest.mark.parametrize("faults", [[429, 503], [0], [502, 0, 504]], ids=["busy", "cut", "all of it"])
async def test_a_server_that_is_busy_or_cuts_us_off_is_asked_again(store: Store, faults: list[int]) -> None:
    store.documents = [document(1)]
    store.faults = faults
    assert await asked(store, Wanted()) == ["line 1"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"faults": [429] * 9}, "overloaded or starting", id="always busy"),
        pytest.param({"faults": [0] * 9}, "cannot be reached", id="always cut"),
        pytest.param({"key": "right"}, "does not know us .* ELASTICSEARCH_API_KEY", id="wrong key"),
        pytest.param({"faults": [403]}, "may not do that on logs-fleet", id="a key without the right"),
        pytest.param({"headers": {}}, "is no Elasticsearch", id="another program"),
    ],
)
async def test_what_is_wrong_is_said_with_what_to_do(store: Store, change: dict[str, Any], said: str) -> None:
    for name, value in change.items():
        setattr(store, name, value)
    with pytest.raises(StoreError, match=said):
        await asked(store, Wanted())


async def test_nobody_there_is_said(unused_tcp_port: int) -> None:
    with pytest.raises(StoreError, match="cannot be reached: .*unset ELASTICSEARCH_URL"):
        async with LogStore.opened(StoreSettings(elasticsearch_url=f"http://127.0.0.1:{unused_tcp_port}")) as logs:
            await logs.lines(Wanted())


@pytest.mark.parametrize("url", ["elastic", "http://host", "ftp://host:1"])
async def test_what_is_no_address_is_named(url: str) -> None:
    with pytest.raises(StoreError, match="ELASTICSEARCH_URL"):
        async with LogStore.opened(StoreSettings(elasticsearch_url=url)):
            pass


async def test_a_key_may_be_given_in_its_two_parts(store: Store) -> None:
    store.key = "aWQ6c2VjcmV0"  # id:secret
    store.documents = [document(1)]
    assert await asked(store, Wanted(), key="id:secret") == await asked(store, Wanted(), key="aWQ6c2VjcmV0") == ["line 1"]


async def test_a_document_that_is_no_line_of_ours_stops_nothing(store: Store) -> None:
    store.documents = [document(1), {"@timestamp": "2026-03-01T00:00:00.002Z", "message": 7}, document(3)]
    assert await asked(store, Wanted()) == ["line 1", "line 3"]


async def test_following_tells_each_line_once_also_one_that_was_long_on_its_way(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_store, "LOOK_S", 0.01)
    store.documents = [document(5000)]
    told = []
    async with asyncio.timeout(5), LogStore.opened(StoreSettings(elasticsearch_url=store.url)) as logs:
        async for line in logs.follow(Wanted(), datetime(2026, 3, 1, tzinfo=UTC)):
            told.append(line.message)
            if len(told) == 1:
                store.documents += [document(6000), document(4000)]  # the second is older than what was told
            if len(told) == 3:
                break
    assert told == ["line 5000", "line 4000", "line 6000"]


async def test_setting_up_installs_policy_and_template(store: Store) -> None:
    async with LogStore.opened(StoreSettings(elasticsearch_url=store.url)) as logs:
        assert await logs.set_up() == "9.5.0"
    policy, template = store.put["/_ilm/policy/logs-fleet"], store.put["/_index_template/logs-fleet"]
    assert policy["policy"]["phases"]["delete"]["min_age"] == "14d"
    assert template["index_patterns"] == ["logs-fleet-*"]
    assert template["template"]["settings"]["index"]["lifecycle"]["name"] == "logs-fleet"
    assert template["priority"] > 200
    assert template["template"]["mappings"]["properties"]["trace"]["properties"]["id"]["type"] == "keyword"
