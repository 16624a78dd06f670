"""What Alpaca cannot be asked to replace."""

from decimal import Decimal

import msgspec
import pytest

from libs.venues.alpaca.order_body import replacement_body
from libs.venues.broker import Refused
from tests.paper import ALFA, an_order


@pytest.mark.parametrize("changed", [{"quantity": Decimal("1.5")}, {"oco": "pair"}])
def test_what_alpaca_never_replaces_is_its_no_and_not_asked_for_again(changed: dict[str, object]) -> None:
    order = msgspec.structs.replace(an_order(1, symbol="ALFA"), **changed)
    with pytest.raises(Refused, match="whole shares of single orders only"):
        replacement_body(order, ALFA)
