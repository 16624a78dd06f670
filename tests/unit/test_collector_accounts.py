from decimal import Decimal

import msgspec
import pytest

from libs.common.settings import ConfigError
from libs.domain.configuration import AccountConfig
from services.data_collector.app import in_currency
from tests.paper import ALFA, COIN
from tests.scripted_feed import ScriptedFeed

MARKET = AccountConfig(name="paper", base_currency="market", deposit=Decimal(100))


def a_feed(*currencies: str) -> ScriptedFeed:
    feed = ScriptedFeed([])
    feed.instruments = [msgspec.structs.replace(i, currency=c) for i, c in zip((ALFA, COIN), currencies, strict=False)]
    return feed


def test_an_account_in_the_markets_currency_is_opened_in_it() -> None:
    assert in_currency(MARKET, a_feed("JPY")).base_currency == "JPY"


def test_a_named_currency_stays() -> None:
    named = msgspec.structs.replace(MARKET, base_currency="EUR")
    assert in_currency(named, a_feed("JPY", "USD")) == named


def test_a_market_of_two_currencies_asks_which() -> None:
    with pytest.raises(ConfigError, match="account paper: base_currency is market, and scripted is priced in JPY, USD: name one"):
        in_currency(MARKET, a_feed("USD", "JPY"))
