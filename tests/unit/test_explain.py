from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from fleet import strategy_state
from fleet.explain import Understood, arithmetic, compared, judged_by, only, passed, told, understand
from fleet.strategy_state import words
from fleet.tables import change, moment, money, number, share, table
from libs.domain.configuration import StrategyConfig
from libs.quant.price_volatility import Volatility
from libs.quant.strategies import pairs, sma_cross
from libs.store.queries.stories import AssessmentTold, CheckTold, Named, OrderTold, SignalTold, Story, StrategyTold, Worth
from tests.fleets import configuration

D = Decimal
NOON = datetime(2025, 1, 6, 12, tzinfo=UTC)
MS = timedelta(milliseconds=1)
EMPTY = Worth(held=D(0), equity=D(100_000))
KILL = CheckTold(code="RC-C01", what="kill switch", limit="off", seen="off")
GROSS = CheckTold(code="RC-B02", what="gross exposure", limit=50_000.0, seen=61_234.5)
SMA = StrategyConfig(id="fast", class_name="sma_cross", symbols=["*"], account="paper", allocation=0.1, params={"fast": 2, "slow": 3})


def a_signal_told(**changed: Any) -> SignalTold:
    values: dict[str, Any] = {
        "signal_id": UUID(int=1),
        "session_id": "session",
        "account_id": "paper",
        "strategy_id": "fast",
        "symbol": "ALFA",
        "timeframe": "1s",
        "bar_time": NOON,
        "decided_at": NOON,
        "previous_target": 0.0,
        "target": 1.0,
        "confidence": 1.0,
        "scale": 1.0,
        "reference_price": 100.0,
        "valid_until": NOON,
        "reason": "test",
        "noticed_at": NOON,
        "created_at": NOON + 2 * MS,
    }
    return SignalTold(**(values | changed))


def an_assessment(verdict: str = "APPROVED", code: str = "", checks: tuple[CheckTold, ...] = (KILL,)) -> AssessmentTold:
    at = NOON + 5 * MS
    return AssessmentTold(
        verdict=verdict, code=code, reason="", limit="", seen="", checks=list(checks), created_at=at, updated_at=at, worth=EMPTY
    )


def an_order_told(quantity: int = 100, side: str = "buy", worth: Worth = EMPTY) -> OrderTold:
    return OrderTold(
        order_id=UUID(int=2),
        client_order_id="TEST",
        leg=0,
        side=side,
        order_type="limit",
        quantity=D(quantity),
        price=D(102),
        time_in_force="GTD",
        status="EXPIRED",
        filled_quantity=D(0),
        avg_fill_price=None,
        valid_until=NOON,
        expires_at=NOON,
        created_at=NOON + 6 * MS,
        worth=worth,
        attempts=[],
        events=[],
        fills=[],
        after=None,
    )


def a_story(**changed: Any) -> Story:
    stored = StrategyTold(class_name="sma_cross", symbols=["*"], timeframe="auto", account="paper", allocation=0.1, params=SMA.params)
    values: dict[str, Any] = {
        "currency": "USD",
        "multiplier": D(1),
        "lot": D(1),
        "signal": a_signal_told(),
        "bar": None,
        "strategy": stored,
        "state": None,
        "assessment": an_assessment(),
        "orders": [],
    }
    return Story(**(values | changed))


def understood(config: StrategyConfig | None = SMA, **changed: Any) -> Understood:
    return Understood(story=a_story(**changed), asked=None, config=config, state=None, state_missing="it was not stored")


# --- numbers and tables


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (D("1234567.500"), "1,234,567.5"),
        (D("100.000"), "100"),
        (D("0.00001"), "0.00001"),
        (D(0), "0"),
        (1e6 / 3, "333,333.3333"),
        (None, "-"),
    ],
)
def test_a_number_is_exact_without_trailing_zeros(value: Decimal | float | None, said: str) -> None:
    assert number(value) == said


def test_money_is_to_the_cent_and_a_change_has_its_sign() -> None:
    assert [money(D("1234.567")), money(None), share(0.125)] == ["1,234.57", "-", "12.5%"]
    assert [change(D("1234.5")), change(D("-0.006")), change(D("-0.004"))] == ["+1,234.50", "-0.01", "0.00"]


def test_milliseconds_are_shown_where_there_are_some() -> None:
    assert [moment(NOON), moment(NOON + 250 * MS)] == ["2025-01-06 12:00:00", "2025-01-06 12:00:00.250"]


def test_a_table_is_flush_left_for_names_and_flush_right_for_numbers() -> None:
    assert table(("NAME", "N"), [("a", "1"), ("longer", "1,000")]) == "NAME        N\na           1\nlonger  1,000"


# --- states


def test_a_state_is_told_with_the_names_of_its_fields() -> None:
    state = sma_cross.State([99, 100, 101], [7, 201, 300], [1.0])
    found = strategy_state.told(msgspec.msgpack.encode((tuple(state), [1.0], [])), SMA)
    assert found.fields == {"closes": [99, 100, 101], "sums": [7, 201, 300], "target": [1.0]}
    assert found.targets == [1.0]


def test_a_panels_state_keeps_the_names_within_it_and_its_volatility() -> None:
    config = StrategyConfig(id="p", class_name="pairs", symbols=["A", "B"], account="paper", allocation=0.1, sizing="volatility:0.1")
    state = pairs.init(pairs.Params(), 2)
    found = strategy_state.told(msgspec.msgpack.encode((tuple(state), [None, None], [Volatility(100.0, 3, 0.5)])), config)
    assert set(found.fields["sums"]) == set(pairs.Sums._fields)
    assert found.volatility == [{"close": 100.0, "seen": 3, "variance": 0.5}]


@pytest.mark.parametrize("stored", [b"\xc1", msgspec.msgpack.encode(((1, 2), [1.0], []))])
def test_a_state_of_another_form_is_refused_with_what_does_not_fit(stored: bytes) -> None:
    with pytest.raises(ValueError, match="not of sma_cross as it is now"):
        strategy_state.told(stored, SMA)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (float("nan"), "none"),
        (1_234_567, "1,234,567"),
        ([1, 2, 3], "[1; 2; 3]"),
        (list(range(10)), "[10 values: 0; 1; 2 ... 7; 8; 9]"),
        ({"side": 1.0, "entry": [{"a": 1}]}, "side 1, entry [(a 1)]"),
    ],
)
def test_a_value_is_put_into_words(value: object, said: str) -> None:
    assert words(value) == said


def test_the_configured_file_tells_the_sizing_while_it_is_of_the_same_class(tmp_path: Path) -> None:
    text = '[[strategy]]\nid = "fast"\nclass = "{}"\nsymbols = ["*"]\naccount = "main"\nallocation = 0.5\nsizing = "fixed:7"\n'
    stored = a_story().strategy
    assert stored is not None
    same = configuration(tmp_path / "same", strategies=text.format("sma_cross"))
    other = configuration(tmp_path / "other", strategies=text.format("breakout"))
    found = [strategy_state.configuration("fast", stored, folder, "test").sizing for folder in (same, other, tmp_path / "none")]
    assert found == ["fixed:7", "equity", "equity"]


# --- which one


def test_several_of_one_beginning_are_all_named() -> None:
    with pytest.raises(LookupError, match=f"order {UUID(int=2)}, signal {UUID(int=1)}; give more"):
        only("000000", [Named(UUID(int=1), UUID(int=2)), Named(UUID(int=1), None)])


# --- controls


def test_a_control_that_refuses_is_not_among_those_passed() -> None:
    assert passed(an_assessment("REFUSED", "RC-B02", (KILL, GROSS))) == [KILL]
    assert passed(an_assessment("REFUSED", "RC-A08", (KILL,))) == [KILL]
    assert passed(an_assessment(checks=(KILL, GROSS))) == [KILL, GROSS]


def test_by_which_limits_it_was_judged_is_no_control_and_has_its_own_line() -> None:
    by = CheckTold(code="RC-C09", what="limits", limit=None, seen="version 9")
    assert passed(an_assessment(checks=(by, KILL))) == [KILL]
    assert judged_by(an_assessment(checks=(by, KILL))) == "version 9"
    assert judged_by(an_assessment(checks=(KILL,))) == ""


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (KILL, "kill switch: off (limit off)"),
        (GROSS, "gross exposure: 61,234.50 (limit 50,000.00, but it only brings the position nearer to zero)"),
        (CheckTold(code="RC-B07", what="orders", limit=None, seen=3.0), "orders: 3 (no limit is configured)"),
        (CheckTold(code="RC-A12", what="seconds left", limit=0.0, seen=4.75), "seconds left: 4.75 (limit 0)"),
    ],
)
def test_a_control_says_what_it_saw_and_its_limit(check: CheckTold, said: str) -> None:
    assert compared(check) == said


# --- sizing


def test_the_arithmetic_leads_from_target_to_order() -> None:
    said = arithmetic(understood(), EMPTY, an_order_told(100))
    assert said == "target 1 x scale 1 x allocation 0.1 x equity of about 100,000.00 / price 100 = 100 ALFA wanted, held 0: buy 100"


def test_the_arithmetic_says_when_something_else_decided() -> None:
    assert "made it 40" in arithmetic(understood(), EMPTY, an_order_told(40))
    assert "made it" not in arithmetic(understood(), Worth(held=D(40), equity=D(100_000)), an_order_told(60))


def test_fixed_units_need_no_equity() -> None:
    fixed = msgspec.structs.replace(SMA, sizing="fixed:7")
    assert "7 units = 7 ALFA wanted, held 2" in arithmetic(understood(fixed), Worth(held=D(2), equity=None))


@pytest.mark.parametrize(("config", "equity", "said"), [(None, D(1), "not configured any more"), (SMA, None, "equity then is not known")])
def test_arithmetic_that_cannot_be_made_again_says_why(config: StrategyConfig | None, equity: Decimal | None, said: str) -> None:
    answer = arithmetic(understood(config), Worth(held=D(3), equity=equity))
    assert said in answer
    assert "held 3" in answer


# --- the whole


def test_a_story_is_told_though_bar_state_and_strategy_are_gone(tmp_path: Path) -> None:
    said = told(understand(a_story(strategy=None, state=b"\xc1"), None, tmp_path, "test"))
    assert "not in the record any more" in said
    assert "state       cannot be told: the strategy is not configured any more" in said


def test_a_signal_nobody_has_assessed_says_who_should(tmp_path: Path) -> None:
    said = told(understand(a_story(assessment=None), None, tmp_path, "test"))
    assert "risk_manager has not assessed" in said
    assert "not assessed yet" in said.splitlines()[0]


def test_the_stages_are_timed_from_the_bars_completion_in_order(tmp_path: Path) -> None:
    said = told(understand(a_story(orders=[an_order_told()]), UUID(int=2), tmp_path, "test"))
    stages = [line.split() for line in said.partition("HISTORY")[2].splitlines()[1:]]
    assert [stage[0] for stage in stages] == ["bar", "signal", "assessed", "order"]
    assert [stage[-2:] for stage in stages] == [["0.0", "0.0"], ["2.0", "2.0"], ["5.0", "3.0"], ["6.0", "1.0"]]


def test_an_order_that_filled_nothing_leaves_the_position(tmp_path: Path) -> None:
    said = told(understand(a_story(orders=[an_order_told()]), UUID(int=2), tmp_path, "test"))
    assert said.startswith(f"order       {UUID(int=2)}: buy 100 limit 102 ALFA, EXPIRED")
    assert "unchanged: nothing was filled" in said


def test_json_has_the_named_state_in_place_of_its_bytes(tmp_path: Path) -> None:
    state = msgspec.msgpack.encode((tuple(sma_cross.State([1], [1, 1, 1], [float("nan")])), [None], []))
    data = msgspec.json.decode(msgspec.json.encode(understand(a_story(state=state), None, tmp_path, "test").data()))
    assert data["state"]["fields"]["target"] == [None]
    assert data["signal"]["symbol"] == "ALFA"


def test_a_protective_order_is_told_as_what_it_protects_and_nobody_is_said_to_have_sized_it() -> None:
    stop = msgspec.structs.replace(an_order_told(10, "sell"), order_type="stop", price=None, stop_price=D(98))
    child = msgspec.structs.replace(stop, order_id=UUID(int=9), parent_id=UUID(int=2), purpose="stop")
    text = told(understood(orders=[an_order_told(), child]))
    assert f"protects    what order {UUID(int=2)} has opened: sell 10 stop at 98 ALFA, for as long as that is held" in text
    assert text.count("sizing ") == 2, "of the entry, and of the strategy's configuration"


def test_what_sized_an_order_is_told_factor_by_factor_and_counts_in_the_arithmetic(tmp_path: Path) -> None:
    factor = CheckTold(code="SIZE", what="kelly:0.5, 24 of 40 closed trades won", limit=None, seen=0.25)
    assessment = msgspec.structs.replace(an_assessment(), checks=[factor])
    story = understood(msgspec.structs.replace(SMA, sizing="fixed:8 * kelly:0.5"), assessment=assessment)
    assert "factor      kelly:0.5, 24 of 40 closed trades won: 0.25" in told(story)
    assert "passed" not in told(story)
    assert "x kelly 0.25 x 8 units = 2 ALFA wanted" in arithmetic(story, EMPTY)
