"""Generated days at the simulated venue: what must hold does, and a planted bug is found out."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

import pytest

from libs.quant.calendars import DAY
from libs.quant.sim_venue import (
    admission,
    agents,
    amendments,
    fees,
    groups,
    holding,
    ledger,
    lifecycle,
    ordering,
    settling,
    snapshots,
    street,
    taking,
)
from libs.quant.sim_venue.book import Half
from libs.quant.sim_venue.commands import Refusal, Submit
from libs.quant.sim_venue.state import ZERO, Account, Core, Hold, Market
from tests.venue_witness import first_wrong

SHORT: Final = 32


@pytest.mark.parametrize("block", range(5))
def test_what_must_hold_holds_in_five_hundred_scenarios(block: int) -> None:
    assert first_wrong(range(block * 100, block * 100 + 100), SHORT) is None


# --- planted bugs: (where, name, what stands there instead, made of what stood there)

Planted = tuple[Any, str, Callable[[Any], Any]]


def _jumps_the_queue(self: Half, ticks: int, key: int, lots: int) -> None:
    standing = self.levels.get(ticks)
    if standing is None:
        _add(self, ticks, key, lots)
    else:
        self.levels[ticks] = {key: lots, **standing}


_add: Final = Half.add


def _takes_before_it_refuses(good: Any) -> Any:
    def refusal_of(core: Core, account: Account, command: Submit) -> Refusal | None:
        refusal: Refusal | None = good(core, account, command)
        if refusal is not None:
            core.trades += 1
        return refusal

    return refusal_of


def _forgets(name: str) -> Callable[[Any], Any]:
    def planted(good: Any) -> Any:
        def taken(market: Market) -> Any:
            kept = good(market)
            setattr(kept, name, type(getattr(kept, name))())
            return kept

        return taken

    return planted


def _dice(good: Any) -> Any:
    return lambda seed: Random()


PLANTED: Final[Mapping[str, Planted]] = {
    "the newest at a price is first": (Half, "add", lambda good: _jumps_the_queue),
    "an order takes beyond its limit": (taking, "within", lambda good: lambda side, ticks, limit: True),
    "the street does not take what its quote crosses": (street, "match", lambda good: lambda core, market, side, ticks, lots, live: lots),
    "no fee is paid": (fees, "charged", lambda good: lambda *a, **k: ZERO),
    "fees are those of the other side of liquidity": (lifecycle, "fee", lambda good: lambda m, s, n, t, maker: good(m, s, n, t, not maker)),
    "a fill moves money, not lots": (
        lifecycle,
        "deliver",
        lambda good: lambda account, market, balances, position: ledger.pay(account, balances),
    ),
    "nothing is set aside": (holding, "_exchange", lambda good: lambda account, slot, new: None),
    "a filled order keeps its money": (holding, "_hold", lambda good: lambda account, market, order: Hold()),
    "an account spends what it does not have": (holding, "most", lambda good: lambda core, account, market, order, lots, ticks: lots),
    "a refusal counts": (admission, "refusal_of", _takes_before_it_refuses),
    "orders never expire": (settling, "expire", lambda good: lambda core, at: None),
    "a DAY order lives a day longer": (ordering, "end_of", lambda good: lambda asked, calendar, at: good(asked, calendar, at) + DAY),
    "one of a pair does not cancel the other": (groups, "partners", lambda good: lambda core, order: []),
    "a bust is for one side only": (amendments, "_sides", lambda good: lambda core, number: good(core, number)[:1]),
    "a correction keeps the old fee": (amendments, "fee", lambda good: lambda m, side, lots, ticks, maker: (ZERO, "USD")),
    "fill or kill fills a part": (taking, "_fills_whole", lambda good: lambda core, market, live: True),
    "a storm does not come": (taking, "part_of", lambda good: lambda lots, most: lots),
    "agents throw dice of their own": (agents, "Random", _dice),
    "a snapshot forgets stops": (snapshots, "_market", _forgets("stops")),
    "a snapshot forgets who waits for the open": (snapshots, "_market", _forgets("waiting")),
    "a snapshot forgets what was heard": (snapshots, "_market", _forgets("heard")),
    "old events are news": (Market, "heard_before", lambda good: lambda self, kind, at: False),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, name, plant = PLANTED[bug]
    monkeypatch.setattr(where, name, plant(getattr(where, name)))
    assert first_wrong(range(200), SHORT) is not None
