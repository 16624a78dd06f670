"""Which market a run plays, at which venues it is traded, and when real money is refused."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleet.markets import Chosen, Wanted, chosen
from libs.common.settings import ConfigError
from libs.domain.configuration import SystemConfig

ALPACA = {"name": "alpaca", "adapter": "alpaca", "asset_classes": ["equity"]}
BINANCE = {"name": "binance", "adapter": "ccxt", "exchange": "binance", "asset_classes": ["crypto"]}
REAL_ALPACA = ALPACA | {"url": "", "symbols": ["AAPL"]}
REAL_BINANCE = BINANCE | {"url": "", "symbols": ["BTC/USD"], "options": {"fees_in_quote": True}}
KEYS = {"ALPACA_API_KEY": "AK123456", "ALPACA_SECRET_KEY": "s3cret", "BINANCE_API_KEY": "k", "BINANCE_SECRET_KEY": "s"}


def a_system(*venues: dict[str, Any]) -> SystemConfig:
    """An account at `paper`, and one at each of the venues."""
    accounts = [
        {"name": f"at_{v['name']}", "base_currency": "USD", "deposit": 1000, "venue": v["name"]} for v in ({"name": "paper"}, *venues)
    ]
    return msgspec.convert({"account": accounts, "venue": list(venues)}, SystemConfig)


FILE = Path("/etc/tradewinds/system.toml")


def of(system: SystemConfig, *, live: bool = False, keys: dict[str, str] = KEYS, **wanted: Any) -> Chosen:
    return chosen(Wanted(**wanted), system, None, lambda name: keys.get(name, ""), file=FILE, live=live, port_offset=1000)


def test_the_closes_are_shown_by_the_simulated_venues_and_traded_there() -> None:
    found = of(a_system(ALPACA, BINANCE))
    assert (found.feed, found.sim_market, found.played.what) == ("venues", "closes", "daily closes of 2021-2022, seed 1, 10x")
    assert found.trading == [
        "at_alpaca trades equity at alpaca, simulated by sim_venue on port 10108",
        "at_binance trades crypto at binance, simulated by sim_venue on port 10108",
    ]


@pytest.mark.parametrize(
    ("wanted", "feed"),
    [({"venue": "paper"}, "closes"), ({"market": "synthetic"}, "synthetic"), ({"lockstep": True}, "closes")],
)
def test_a_market_that_plays_itself_is_traded_inside_the_executor(wanted: dict[str, Any], feed: str) -> None:
    found = of(a_system(ALPACA), **wanted)
    assert (found.feed, found.sim_market, found.trading) == (feed, "manual", ["at_paper trades at venue paper, inside trade_executor"])


def test_without_an_account_at_a_venue_the_market_plays_itself() -> None:
    assert of(a_system()).feed == "closes"


def test_real_venues_bring_their_own_market() -> None:
    found = of(a_system(REAL_ALPACA, REAL_BINANCE))
    assert (found.feed, found.sim_market) == ("venues", "manual")
    assert str(found.played) == "the market of alpaca and binance, as it happens; real prices: AAPL BTC/USD"
    assert found.trading[0] == "at_alpaca trades equity at alpaca, its own address"


def test_a_market_whose_symbols_are_not_known_yet_is_named_without_any() -> None:
    found = of(a_system(REAL_ALPACA | {"symbols": []}))
    assert str(found.played) == "the market of alpaca, as it happens; real prices"


@pytest.mark.parametrize(
    ("system", "keys", "said"),
    [
        (
            a_system(REAL_ALPACA),
            {},
            "venue alpaca needs ALPACA_API_KEY and ALPACA_SECRET_KEY: set them, or name files that hold them"
            " in ALPACA_API_KEY_FILE and ALPACA_SECRET_KEY_FILE",
        ),
        (a_system(ALPACA, REAL_BINANCE), KEYS, f"{FILE}: alpaca is simulated and binance is not"),
    ],
)
def test_venues_that_cannot_be_traded_are_refused(system: SystemConfig, keys: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        of(system, keys=keys)


def test_real_money_is_traded_with_real_keys_at_real_venues() -> None:
    found = of(a_system(REAL_ALPACA, REAL_BINANCE), live=True)
    assert found.feed == "venues"
    assert str(found.played).startswith("REAL MONEY: the market of alpaca and binance")


@pytest.mark.parametrize(
    ("system", "keys", "wanted", "said"),
    [
        (a_system(), KEYS, {}, f"no account of {FILE} is at another venue than paper"),
        (a_system(ALPACA), KEYS, {}, 'venue alpaca is simulated \\(url = "sim"\\)'),
        (
            a_system(REAL_ALPACA | {"url": "http://broker.example"}),
            KEYS,
            {},
            "venue alpaca is at http://broker.example, .* not encrypted",
        ),
        (a_system(REAL_BINANCE | {"options": {}}), KEYS, {}, "venue binance may take the fee of a purchase in the coin"),
        (a_system(REAL_ALPACA), {}, {}, "needs ALPACA_API_KEY"),
        (a_system(REAL_ALPACA), KEYS | {"ALPACA_API_KEY": "PK123456"}, {}, "ALPACA_API_KEY is a paper key"),
        (a_system(REAL_ALPACA), KEYS, {"venue": "paper"}, "--venue paper trades inside trade_executor"),
        (a_system(REAL_ALPACA), KEYS, {"lockstep": True}, "--lockstep waits"),
        (a_system(REAL_ALPACA), KEYS, {"replay": "crypto"}, "--replay plays a recorded market"),
    ],
    ids=["no venue", "simulated", "not encrypted", "fees in coins", "no keys", "paper keys", "paper venue", "lockstep", "replay"],
)
def test_real_money_is_refused_where_anything_of_it_is_not_real(
    system: SystemConfig, keys: dict[str, str], wanted: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=f"EXECUTION_MODE=live.*{said}"):
        of(system, live=True, keys=keys, **wanted)
