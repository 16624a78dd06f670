"""A record and a bus without a fleet: embedded servers with an empty schema, gone afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from benchmarks.scratch import scratch
from fleet import migrate
from fleet.embedded.postgres import EmbeddedPostgres
from fleet.embedded.valkey import EmbeddedValkey


class Urls(NamedTuple):
    """Where the servers listen."""

    database: str
    redis: str


@contextmanager
def record() -> Iterator[Urls]:
    """Both servers, for as long as the body takes."""
    with scratch() as folder:
        postgres, valkey = EmbeddedPostgres(folder / "postgres"), EmbeddedValkey(folder / "valkey")
        try:
            urls = Urls(postgres.start(), valkey.start())
            migrate.upgrade(urls.database)
            yield urls
        finally:
            for server in (valkey, postgres):
                server.stop()
                server.wipe()
