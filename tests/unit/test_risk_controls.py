"""Every control: exactly at its limit an order passes, one step beyond it is refused under the control's code."""

from math import inf, nan
from typing import Any

import msgspec
import pytest

from libs.domain.guards import Reason
from libs.domain.kill import Mode
from libs.domain.losses import Halt
from libs.domain.orders import OPEN, Status
from libs.quant.risk.assess import assess_all
from libs.quant.risk.flow import Flow
from libs.quant.risk.limits import Limits
from libs.quant.risk.prices import price_age_limit
from libs.quant.risk.view import Refusal, View
from tests.factories import NOON, SECOND, a_leg, a_limit, a_signal, a_view, an_open_order, the_limits
from tests.gate import ask, code
from tests.paper import ALFA

HALT = Halt("max_daily_loss", NOON, equity=96_000.0, reference=100_000.0, most=0.03, seen=0.04)
BOOK = ("fast", "ALFA")
OTHER_BOOK = ("slow", "ALFA")


@pytest.mark.parametrize(
    ("killed", "expected"),
    [
        (("fleet", ""), "RC-C01"),
        (("account", "paper"), "RC-C01"),
        (("account", "other"), None),
        (("strategy", "fast"), "RC-C01"),
        (("strategy", "slow"), None),
        (("symbol", "ALFA"), "RC-C01"),
        (("symbol", "BRVO"), None),
    ],
)
def test_kill_switch(killed: tuple[str, str], expected: str | None) -> None:
    assert code(ask("kill_switch", a_signal(), a_view(killed={killed: "halt"}), the_limits())) == expected


@pytest.mark.parametrize(("mode", "expected"), [("halt", "RC-C01"), ("flatten", "RC-C01"), ("reduce_only", None)])
def test_where_books_may_be_reduced_the_leg_decides_and_not_the_signal(mode: Mode, expected: str | None) -> None:
    assert code(ask("kill_switch", a_signal(), a_view(killed={("fleet", ""): mode}), the_limits())) == expected


@pytest.mark.parametrize(
    ("held", "lots", "expected"),
    [
        pytest.param(0, 1, "RC-C01", id="an entry"),
        pytest.param(10, -10, None, id="all of it sold"),
        pytest.param(10, -11, "RC-C01", id="sold through zero"),
        pytest.param(-10, 5, None, id="a part of a short bought back"),
    ],
)
def test_only_reduces(held: int, lots: int, expected: str | None) -> None:
    view = a_view(positions={BOOK: held}, killed={("strategy", "fast"): "reduce_only"})
    assert code(ask("only_reduces", a_leg(lots), view, the_limits())) == expected
    assert ask("only_reduces", a_leg(lots), a_view(positions={BOOK: held}), the_limits()) is None


@pytest.mark.parametrize(("stale", "expected"), [(False, None), (True, "RC-C03")])
def test_market_clock(stale: bool, expected: str | None) -> None:
    assert code(ask("market_clock", a_signal(), a_view(stale=stale), the_limits())) == expected


def test_known_instrument() -> None:
    assert ask("known_instrument", a_signal(), a_view(), the_limits()) is None
    assert code(ask("known_instrument", a_signal(symbol="BRVO"), a_view(), the_limits())) == "RC-A02"


def test_an_instrument_in_a_currency_without_a_rate_cannot_be_counted() -> None:
    euro = {"ALFA": msgspec.structs.replace(ALFA, currency="EUR")}
    assert code(ask("known_instrument", a_signal(), a_view(instruments=euro), the_limits())) == "RC-A05"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"target": 1.0}, None),
        ({"target": -1.0}, None),
        ({"target": 1.0000001}, "RC-A01"),
        ({"target": -1.0000001}, "RC-A01"),
        ({"target": nan}, "RC-A01"),
        ({"target": inf}, "RC-A01"),
        ({"confidence": 0.0}, None),
        ({"confidence": 1.0}, None),
        ({"confidence": -0.0000001}, "RC-A01"),
        ({"confidence": 1.0000001}, "RC-A01"),
        ({"confidence": nan}, "RC-A01"),
        ({"reference_price": 1e-9}, None),
        ({"reference_price": 0.0}, "RC-A01"),
        ({"reference_price": -1.0}, "RC-A01"),
        ({"reference_price": inf}, "RC-A01"),
        ({"reference_price": nan}, "RC-A01"),
    ],
)
def test_sound_target(changed: dict[str, float], expected: str | None) -> None:
    assert code(ask("sound_target", a_signal(**changed), a_view(), the_limits())) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({"valid_until": NOON}, None, id="at its last moment"),
        pytest.param({"valid_until": NOON - 1}, "RC-A12", id="a nanosecond late"),
        pytest.param({"decided_at": NOON + SECOND}, None, id="a second ahead"),
        pytest.param({"decided_at": NOON + SECOND + 1}, "RC-A12", id="further ahead"),
    ],
)
def test_fresh_signal(changed: dict[str, int], expected: str | None) -> None:
    assert code(ask("fresh_signal", a_signal(**changed), a_view(), the_limits())) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("timeframe", "speed", "oldest"),
    [
        pytest.param("1s", 1.0, 2 * SECOND, id="two seconds at least"),
        pytest.param("1m", 1.0, 60 * SECOND, id="a bar"),
        pytest.param("1s", 600.0, 300 * SECOND, id="half a host second"),
        pytest.param("1s", 0.0, 2 * SECOND, id="speed is nothing in lockstep"),
    ],
)
def test_fresh_price(timeframe: str, speed: float, oldest: int) -> None:
    view = a_view(speed=speed)
    assert price_age_limit(timeframe, speed) == oldest
    assert ask("fresh_price", a_signal(timeframe=timeframe, decided_at=NOON - oldest), view, the_limits()) is None
    late = a_signal(timeframe=timeframe, decided_at=NOON - oldest - 1)
    assert code(ask("fresh_price", late, view, the_limits())) == "RC-A08"


@pytest.mark.parametrize(("reference", "expected"), [(100.0, None), (125.0, None), (75.0, None), (125.01, "RC-A07"), (74.99, "RC-A07")])
def test_price_collar(reference: float, expected: str | None) -> None:
    limits = Limits([a_limit("price_collar", 0.25, scope="order", unit="fraction")])
    assert code(ask("price_collar", a_signal(reference_price=reference), a_view(), limits)) == expected


def test_without_a_price_or_a_collar_there_is_nothing_to_judge_by() -> None:
    assert code(ask("price_collar", a_signal(), a_view(marks={}), the_limits())) == "RC-A07"
    assert code(ask("price_collar", a_signal(), a_view(), Limits([]))) == "RC-A07"


@pytest.mark.parametrize(
    ("held", "lots", "expected"),
    [
        pytest.param(0, 5, "RC-B05", id="an entry"),
        pytest.param(10, 1, "RC-B05", id="more of the same"),
        pytest.param(10, -1, None, id="less of it"),
        pytest.param(10, -10, None, id="all of it sold"),
        pytest.param(10, -11, "RC-B05", id="sold through zero"),
        pytest.param(-10, 10, None, id="a short bought back"),
        pytest.param(-10, 11, "RC-B05", id="bought through zero"),
    ],
)
def test_close_only(held: int, lots: int, expected: str | None) -> None:
    books = {BOOK: held, OTHER_BOOK: 50}
    assert code(ask("close_only", a_leg(lots), a_view(positions=books, halts=(HALT,)), the_limits())) == expected
    assert ask("close_only", a_leg(lots), a_view(positions=books), the_limits()) is None


@pytest.mark.parametrize(
    ("held", "lots", "expected"),
    [
        pytest.param(0, 1, "RC-C10", id="an entry"),
        pytest.param(10, -10, None, id="all of it sold"),
        pytest.param(10, -11, "RC-C10", id="sold through zero"),
    ],
)
def test_system_state(held: int, lots: int, expected: str | None) -> None:
    full = Reason("disk", "RC-C10", "9.0% of the disk is free", "10% free", "9.0%")
    pending = Reason("reconciliation", "RC-C07", "record and venue differ", "agreed", "pending")
    books = {BOOK: held, OTHER_BOOK: 50}
    assert code(ask("system_state", a_leg(lots), a_view(positions=books, disarmed=[pending, full]), the_limits())) == expected
    assert ask("system_state", a_leg(lots), a_view(positions=books, disarmed=[pending]), the_limits()) is None
    assert ask("system_state", a_leg(lots), a_view(positions=books), the_limits()) is None


def test_a_halt_says_what_was_lost_and_how_it_ends() -> None:
    refusal = ask("close_only", a_leg(1), a_view(halts=(HALT,)), the_limits())
    assert refusal == Refusal(
        "RC-B05",
        "paper is halted by max_daily_loss and may only close: fleet risk rearm --scope account:paper --reason ...",
        "3%",
        "4%",
    )


@pytest.mark.parametrize(
    ("lots", "price", "held", "expected"),
    [
        pytest.param(1, 1000, 0, None, id="exactly the smallest notional"),
        pytest.param(1, 999, 0, "RC-A03", id="a tick less"),
        pytest.param(-1, 999, 1, None, id="less, but it closes the book"),
        pytest.param(-1, 999, 2, "RC-A03", id="less, and something stays"),
        pytest.param(0, 1000, 0, "RC-A03", id="no lots"),
        pytest.param(1, 0, 0, "RC-A03", id="no price"),
    ],
)
def test_venue_steps(lots: int, price: int, held: int, expected: str | None) -> None:
    leg, view = a_leg(lots, price=price), a_view(positions={BOOK: held})
    assert code(ask("venue_steps", leg, view, the_limits())) == expected


@pytest.mark.parametrize(
    ("lots", "held", "expected"),
    [
        pytest.param(10, 0, None, id="exactly at the limit"),
        pytest.param(11, 0, "RC-A05", id="a lot beyond"),
        pytest.param(-11, 11, None, id="closing what is larger"),
        pytest.param(-12, 11, "RC-A05", id="flipping it"),
    ],
)
def test_order_notional(lots: int, held: int, expected: str | None) -> None:
    limits = the_limits(a_limit("max_order_notional", 1000, scope="order"))
    assert code(ask("order_notional", a_leg(lots), a_view(positions={BOOK: held}), limits)) == expected


@pytest.mark.parametrize("scope", ["strategy", "account"])
@pytest.mark.parametrize(
    ("lots", "held", "in_the_market", "expected"),
    [
        pytest.param(10, 0, [], None, id="exactly at the limit"),
        pytest.param(11, 0, [], "RC-B01", id="a lot beyond"),
        pytest.param(4, 6, [], None, id="with what is held at the limit"),
        pytest.param(5, 6, [], "RC-B01", id="with what is held beyond"),
        pytest.param(4, 3, [3], None, id="with open orders at the limit"),
        pytest.param(5, 3, [3], "RC-B01", id="with open orders beyond"),
        pytest.param(5, 8, [-3], "RC-B01", id="an open sell does not make room"),
        pytest.param(-10, 0, [], None, id="short at the limit"),
        pytest.param(-11, 0, [], "RC-B01", id="short beyond"),
        pytest.param(-5, 25, [], None, id="shrinking from beyond the limit"),
        pytest.param(5, -25, [], None, id="covering from beyond the limit"),
        pytest.param(-36, 25, [], "RC-B01", id="flipping past the limit"),
        pytest.param(-25, 25, [-1], "RC-B01", id="with the open sell it could flip"),
    ],
)
def test_position(scope: str, lots: int, held: int, in_the_market: list[int], expected: str | None) -> None:
    view = a_view(positions={BOOK: held}, open_orders=[an_open_order(n) for n in in_the_market])
    assert code(ask("position", a_leg(lots), view, the_limits(a_limit("max_position_notional", 1000, scope=scope)))) == expected


@pytest.mark.parametrize("status", sorted(OPEN))
def test_an_order_counts_at_its_worst_in_every_open_status(status: Status) -> None:
    view = a_view(open_orders=[an_open_order(10, status=status)])
    limits = the_limits(a_limit("max_position_notional", 1000))
    assert code(ask("position", a_leg(1), view, limits)) == "RC-B01"


def test_strategies_share_the_accounts_limit_and_have_their_own() -> None:
    view = a_view(positions={OTHER_BOOK: 8})
    assert ask("position", a_leg(5), view, the_limits(a_limit("max_position_notional", 1000, scope="strategy"))) is None
    assert code(ask("position", a_leg(5), view, the_limits(a_limit("max_position_notional", 1000)))) == "RC-B01"


@pytest.mark.parametrize(
    ("lots", "positions", "in_the_market", "expected"),
    [
        pytest.param(10, {}, [], None, id="exactly at the limit"),
        pytest.param(11, {}, [], "RC-B02", id="a lot beyond"),
        pytest.param(4, {("slow", "BTC/USD"): 3000}, [], None, id="other symbols count"),
        pytest.param(5, {("slow", "BTC/USD"): 3000}, [], "RC-B02", id="other symbols count, beyond"),
        pytest.param(4, {("slow", "BTC/USD"): -3000}, [], None, id="a short counts as much"),
        pytest.param(5, {("slow", "BTC/USD"): -3000}, [], "RC-B02", id="a short does not offset"),
        pytest.param(4, {}, [an_open_order(3000, price=2_000_000, symbol="BTC/USD", strategy_id="slow")], None, id="open orders"),
        pytest.param(5, {}, [an_open_order(3000, price=2_000_000, symbol="BTC/USD", strategy_id="slow")], "RC-B02", id="open, beyond"),
        pytest.param(-5, {BOOK: 30}, [], None, id="shrinking from beyond the limit"),
        pytest.param(-5, {BOOK: 30, OTHER_BOOK: -30}, [], None, id="flat in all: an exit of one book is small"),
        pytest.param(-41, {BOOK: 30}, [], "RC-B02", id="flipping past the limit"),
    ],
)
def test_gross_exposure(lots: int, positions: dict[tuple[str, str], int], in_the_market: list[Any], expected: str | None) -> None:
    limits = the_limits(a_limit("max_gross_exposure", 1000))
    view = a_view(positions=positions, open_orders=in_the_market)
    assert code(ask("gross_exposure", a_leg(lots), view, limits)) == expected


def minutes_orders(count: int, strategy_id: str = "fast") -> View:
    return a_view(flow=Flow(per_minute={strategy_id: count}))


@pytest.mark.parametrize(
    ("view", "scope", "expected"),
    [
        pytest.param(minutes_orders(4), "account", None, id="the fifth of a minute"),
        pytest.param(minutes_orders(5), "account", "RC-B07", id="the sixth"),
        pytest.param(minutes_orders(5, "slow"), "account", "RC-B07", id="the account counts all"),
        pytest.param(minutes_orders(5, "slow"), "strategy", None, id="a strategy counts its own"),
        pytest.param(minutes_orders(5), "strategy", "RC-B07", id="a strategy's sixth"),
    ],
)
def test_order_rate(view: View, scope: str, expected: str | None) -> None:
    limits = the_limits(a_limit("max_orders_per_minute", 5, scope=scope, unit="count"))
    assert code(ask("order_rate", a_leg(1), view, limits)) == expected


@pytest.mark.parametrize("other", ["fast", "slow"])
@pytest.mark.parametrize(
    ("mine", "price", "theirs", "at", "expected"),
    [
        pytest.param(1, 9_999, -1, 10_000, None, id="a buy a tick below our sell"),
        pytest.param(1, 10_000, -1, 10_000, "RC-B10", id="a buy that meets our sell"),
        pytest.param(-1, 10_001, 1, 10_000, None, id="a sell a tick above our buy"),
        pytest.param(-1, 10_000, 1, 10_000, "RC-B10", id="a sell that meets our buy"),
        pytest.param(1, 10_500, 1, 10_000, None, id="the same side"),
    ],
)
def test_crossing(other: str, mine: int, price: int, theirs: int, at: int, expected: str | None) -> None:
    view = a_view(open_orders=[an_open_order(theirs, price=at, strategy_id=other)])
    assert code(ask("crossing", a_leg(mine, price=price), view, the_limits())) == expected


def test_orders_of_another_symbol_cannot_cross() -> None:
    view = a_view(open_orders=[an_open_order(-1, price=1, symbol="BTC/USD")])
    assert ask("crossing", a_leg(1), view, the_limits()) is None


def test_a_limit_in_equity_follows_what_the_account_is_worth() -> None:
    view = a_view(cash={"USD": 900}, positions={OTHER_BOOK: 1})
    limits = the_limits(a_limit("max_order_notional", 0.5, scope="order", unit="equity"))
    assert ask("order_notional", a_leg(5), view, limits) is None
    assert code(ask("order_notional", a_leg(6), view, limits)) == "RC-A05"


def test_of_several_limits_that_apply_the_tightest_wins() -> None:
    limits = the_limits(
        a_limit("max_order_notional", 5000, scope="order"),
        a_limit("max_order_notional", 1000, scope="symbol", key="ALFA"),
        a_limit("max_order_notional", 10, scope="symbol", key="BRVO"),
        a_limit("max_order_notional", 10, scope="strategy", key="slow"),
    )
    assert ask("order_notional", a_leg(10), a_view(), limits) is None
    assert code(ask("order_notional", a_leg(11), a_view(), limits)) == "RC-A05"


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"cash": {"USD": 1, "EUR": 1}}, id="cash without a rate"),
        pytest.param({"positions": {("slow", "BRVO"): 1}}, id="a position without a price"),
        pytest.param({"terms": {}}, id="a strategy that is not configured"),
        pytest.param({"marks": {"ALFA": 0.0}}, id="a price of zero"),
    ],
)
def test_an_error_inside_a_control_is_a_refusal(broken: dict[str, Any]) -> None:
    [verdict] = assess_all([], [a_signal(0.01)], a_view(**broken), the_limits(a_limit("max_gross_exposure", 1e9)))
    assert verdict.kind == "REFUSED"
    assert code(verdict.refusal) == "RC-ERR"
    assert not verdict.legs
