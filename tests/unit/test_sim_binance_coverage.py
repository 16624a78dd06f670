"""The coverage table of the Binance dialect is what is served, row by row."""

import re
from pathlib import Path
from typing import Final, get_args

from libs.quant.sim_venue.commands import Code
from services.sim_venue.binance.endpoints import ENDPOINTS
from services.sim_venue.binance.errors import REFUSED
from services.sim_venue.binance.ws_api import OWN_METHODS

DOC: Final = (Path(__file__).parents[2] / "docs" / "sim-venue-binance.md").read_text()
ROW: Final = re.compile(r"^\| `(GET|POST|PUT|DELETE) (/\S+)` \| (served|differs) \| (?:`([\w.]+)` )?\|", re.MULTILINE)


def test_every_row_is_a_route_and_every_route_has_a_row() -> None:
    rows = [(verb, path, method or "") for verb, path, _, method in ROW.findall(DOC)]
    assert sorted(rows) == sorted((endpoint.verb, endpoint.path, endpoint.method) for endpoint in ENDPOINTS)


def test_the_methods_of_the_websocket_api_alone_are_named() -> None:
    assert all(f"`{method}`" in DOC for method in OWN_METHODS)


def test_every_refusal_of_the_core_has_the_venues_words() -> None:
    assert set(REFUSED) == set(get_args(Code))
