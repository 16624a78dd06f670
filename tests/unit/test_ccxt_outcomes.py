"""Which error of ccxt refuses an order, and which only means that nobody knows."""

import ccxt
import pytest
from ccxt.base.errors import error_hierarchy

from libs.venues.broker import NotSent, OutcomeUnknown, Refused
from libs.venues.ccxt_venue import binance
from libs.venues.ccxt_venue.outcomes import CLASSES, Answered, KeyRefused, Verdict, outcome_of, verdict_of

REFUSAL = Answered(written=True, own_words=True, status=400, code="-2010", message="Account has insufficient balance for requested action.")


def nothing(_: Answered) -> Verdict | None:
    return None


def names(tree: dict[str, dict[str, object]]) -> set[str]:
    return set(tree).union(*(names(below) for below in tree.values()))  # type: ignore[arg-type]


def test_every_class_of_the_installed_hierarchy_has_a_row() -> None:
    assert set(CLASSES) == names(error_hierarchy)


def test_a_class_that_comes_later_is_judged_by_the_one_above_it() -> None:
    assert verdict_of(type("NewInsufficiency", (ccxt.InsufficientFunds,), {})) == "refused"
    assert verdict_of(KeyError) == "unknown"


@pytest.mark.parametrize("name", [name for name, verdict in CLASSES.items() if verdict == "refused"])
@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(REFUSAL._replace(own_words=False), id="known by its status alone"),
        pytest.param(REFUSAL._replace(status=504), id="a 5xx"),
        pytest.param(REFUSAL._replace(status=408), id="a request timeout"),
        pytest.param(REFUSAL._replace(status=None), id="no answer"),
    ],
)
def test_no_class_refuses_without_the_venues_own_words(name: str, seen: Answered) -> None:
    assert isinstance(outcome_of(getattr(ccxt, name)("no"), seen, nothing), OutcomeUnknown)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_what_was_never_written_was_never_sent(name: str) -> None:
    assert isinstance(outcome_of(getattr(ccxt, name)("?"), REFUSAL._replace(written=False), nothing), NotSent)


@pytest.mark.parametrize(
    ("code", "message", "outcome"),
    [
        pytest.param("-2010", "Account has insufficient balance for requested action.", Refused, id="no money"),
        pytest.param("-1013", "Filter failure: LOT_SIZE", Refused, id="off the grid"),
        pytest.param("-1121", "Invalid symbol.", Refused, id="no such symbol"),
        pytest.param("-1021", "Timestamp for this request is outside of the recvWindow.", Refused, id="clock"),
        pytest.param("-2015", "Invalid API-key, IP, or permissions for action.", KeyRefused, id="key"),
        pytest.param("-1015", "Too many new orders; current limit is 50 orders per 10 SECOND.", Refused, id="too many orders"),
        pytest.param("-2010", "Duplicate order sent.", OutcomeUnknown, id="the id is there already"),
        pytest.param("-1006", "An unexpected response was received from the message bus.", OutcomeUnknown, id="bus"),
        pytest.param("-1007", "Timeout waiting for response from backend server.", OutcomeUnknown, id="backend"),
        pytest.param("-9999", "A code of next year.", OutcomeUnknown, id="not documented"),
    ],
)
def test_binance_is_taken_by_its_code(code: str, message: str, outcome: type[Exception]) -> None:
    error = ccxt.ExchangeError(f'binance {{"code":{code},"msg":"{message}"}}')
    seen = REFUSAL._replace(code=code, message=message)
    assert type(outcome_of(error, seen, binance.documented)) is outcome


def test_a_message_shows_neither_a_signature_nor_a_page_of_html() -> None:
    error = ccxt.ExchangeNotAvailable("binance POST https://x/api/v3/order?timestamp=1&signature=abcdef 502 <html>" + "x" * 5000)
    text = str(outcome_of(error, REFUSAL, nothing))
    assert "abcdef" not in text
    assert len(text) < 400
