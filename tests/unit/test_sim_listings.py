"""What config/sim_venue.toml says is what the venue lists."""

from decimal import Decimal

import msgspec
import pytest

from libs.domain.configuration import SimVenueConfig
from libs.quant.fills import FillTerms
from libs.quant.sim_venue.listings import Fees
from services.sim_venue.listings import by_hand

WRITTEN = """
[equity]
liquidity = "book"
per_unit = 0.005
minimum = 1.0
when_shut = "refuse"
slippage_bps = 2.0
participation = 0.5
"""


def config(written: str) -> SimVenueConfig:
    return msgspec.toml.decode(written, type=SimVenueConfig, strict=False)


def test_every_term_of_the_file_is_one_of_the_listing() -> None:
    share = next(listing for listing in by_hand(config(WRITTEN)) if listing.symbol == "AAPL")
    assert (share.liquidity, share.when_shut) == ("book", "refuse")
    assert share.fees == Fees(per_unit=Decimal("0.005"), minimum=Decimal(1))
    assert share.terms == FillTerms(slippage_bps=Decimal(2), participation=Decimal("0.5"))


def test_without_the_file_the_terms_are_those_of_the_house() -> None:
    assert by_hand(config("")) == by_hand()


@pytest.mark.parametrize("term", ["slippage_bps = -1.0", "participation = 0.0", "bar_participation = 1.5", 'when_shut = "wait"', "x = 1"])
def test_a_term_that_no_venue_has_is_refused(term: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        config(f"[crypto]\n{term}")
