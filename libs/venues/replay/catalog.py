"""The recorded markets that can be replayed by name. A new one is one more entry in `sets`."""

from collections.abc import Mapping
from typing import Final

from libs.venues.replay.dataset import DataSet
from libs.venues.replay.sets import crypto, equities, forex, futures

_KINDS: Final[Mapping[str, tuple[DataSet, ...]]] = {
    "equities": equities.SETS,
    "crypto": crypto.SETS,
    "forex": forex.SETS,
    "futures": futures.SETS,
}

SETS: Final[Mapping[str, DataSet]] = {dataset.name: dataset for kind in _KINDS.values() for dataset in kind}


def named(name: str) -> DataSet:
    """The set that `--replay` calls `name`; ValueError names those there are."""
    if name not in SETS:
        there_are = "; ".join(f"{kind}: {', '.join(dataset.name for dataset in sets)}" for kind, sets in _KINDS.items())
        raise ValueError(f"no recorded market is called {name!r}; there are {there_are}")
    return SETS[name]
