"""The data of a job, in a process of its own: from files, or from the record."""

import asyncio
from pathlib import Path

from libs.common.database import Database
from services.backtester.data import Loaded, load, load_stored
from services.backtester.spec import Spec


def loaded(spec: Spec, market_data_dir: str, database_url: str) -> Loaded:
    """The tape of a spec.

    Raises:
        BadData, DataNotFound, NoData, ValueError: the data cannot be used; the message says why.
        Unreachable, Rejected: the record does not give them.
    """
    if spec.symbols:
        return asyncio.run(_stored(spec, database_url))
    return load(spec, Path(market_data_dir) if market_data_dir else None)


async def _stored(spec: Spec, database_url: str) -> Loaded:
    database = Database(database_url, "backtester:data")
    try:
        return await load_stored(spec, database)
    finally:
        await database.close()
