"""docs/sim-venue-alpaca.md lists what the Alpaca dialect serves. It and the routes are held against each other here."""

import re
from pathlib import Path

from services.sim_venue.alpaca.dialect import DATA, STREAMS, TRADING

PAGE = Path(__file__).parents[2] / "docs" / "sim-venue-alpaca.md"
ROW = re.compile(r"^\| `((?:GET|POST|PATCH|PUT|DELETE) /[^`]*)` \| (served|differs|absent) \|", re.MULTILINE)
ROUTES = {f"{route.method} {route.path}" for route in (*TRADING, *DATA)} | {f"GET {path}" for path in STREAMS}


def listed(*states: str) -> list[str]:
    return [endpoint for endpoint, state in ROW.findall(PAGE.read_text()) if state in states]


def test_every_endpoint_that_the_page_says_is_served_has_its_route_and_every_route_is_on_the_page() -> None:
    assert set(listed("served", "differs")) == ROUTES


def test_nothing_that_the_page_calls_absent_is_served() -> None:
    assert len(listed("absent")) > 5
    assert not set(listed("absent")) & ROUTES


def test_no_endpoint_is_on_the_page_twice() -> None:
    every = listed("served", "differs", "absent")
    assert len(every) == len(set(every))


def test_every_row_of_every_table_says_served_differs_or_absent() -> None:
    text = PAGE.read_text().partition("## Refusals")[0]
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    assert [row for row in rows if row.count(" | ") == 2 and row.split(" | ")[1] not in ("served", "differs", "absent", "")] == []
