"""Digests by month, and the words of `fleet backtest diff` that are made of them."""

from array import array
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from fleet.backtest_causes import code_changes, data_changes, first_reason
from libs.domain.columns import Columns
from libs.domain.funding import FundingRate
from libs.domain.names import TIMEFRAMES
from libs.domain.times import nanoseconds
from libs.quant.backtest import parts
from libs.quant.backtest.parts import parts_of
from libs.quant.backtest.tape import Tape
from libs.store.backtests import BacktestTrade
from services.backtester.code import code_parts
from services.backtester.data import plain

DAY = TIMEFRAMES["1d"]


def tape(*symbols: str, days: int = 100, other: int | None = None) -> Tape:
    """Days from 2021-01-15 on; that of number `other` has another close."""
    closes = [100.0 + n + (0.5 if n == other else 0.0) for n in range(days)]
    start = array("q", [nanoseconds("2021-01-15") + n * DAY for n in range(days)])
    columns = Columns(start, *(array("d", closes) for _ in range(5)))
    return Tape(
        instruments={symbol: plain(symbol, "USD") for symbol in symbols},
        bars={"1d": dict.fromkeys(symbols, columns)},
        fill_on=dict.fromkeys(symbols, "bar"),
    )


def trade(at: str = "2021-03-20", symbol: str = "A", strategy: str = "fast", **terms: str) -> BacktestTrade:
    numbers = {name: Decimal(terms.get(name, "1")) for name in ("quantity", "executed_price", "commission", "pnl")}
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    return BacktestTrade(n=1, strategy_id=strategy, symbol=symbol, side="buy", executed_at=moment, **numbers)


def data(*tapes: Tape) -> list[dict[str, Any]]:
    return [{"data": parts_of(each)} for each in tapes]


def funded(rate: str) -> dict[str, dict[str, str]]:
    return parts_of(replace(tape("A", "B"), funding={"A": [FundingRate("A", 1, Decimal(rate))]}))


def test_each_month_has_a_digest_of_its_own_rows() -> None:
    found = parts_of(tape("A"))["bars 1d A"]
    assert list(found) == ["2021-01", "2021-02", "2021-03", "2021-04"]
    assert len(set(found.values())) == 4
    assert parts_of(tape("A", days=60))["bars 1d A"]["2021-02"] == found["2021-02"]


def test_a_month_without_a_row_has_no_digest() -> None:
    whole = tape("A")
    kept = [n for n, start in enumerate(whole.bars["1d"]["A"].start) if not nanoseconds("2021-02-01") <= start < nanoseconds("2021-03-01")]
    start, *values = whole.bars["1d"]["A"]
    columns = Columns([start[n] for n in kept], *([column[n] for n in kept] for column in values))
    holed = replace(whole, bars={"1d": {"A": columns}})
    assert list(parts_of(holed)["bars 1d A"]) == ["2021-01", "2021-03", "2021-04"]


def test_lists_and_packed_columns_have_the_same_digests() -> None:
    packed = tape("A")
    lists = {"1d": {"A": Columns(*map(list, packed.bars["1d"]["A"]))}}  # type: ignore[arg-type]
    assert parts_of(replace(packed, bars=lists)) == parts_of(packed)


def test_many_symbols_are_told_by_year_and_very_many_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "MOST", 3)
    assert list(parts_of(tape("A", "B"))["bars 1d A"]) == ["2021"]
    monkeypatch.setattr(parts, "MOST", 1)
    assert list(parts_of(tape("A", "B"))["bars 1d A"]) == ["all"]


def test_a_changed_bar_is_told_by_symbol_and_month_and_a_new_symbol_by_name() -> None:
    one, other = parts_of(tape("A")), parts_of(tape("A", "B", other=50))
    said = data_changes(one, other)
    assert said == ["bars 1d A: 2021-03 differs", "bars 1d B is new", "instruments: B is new"]


def test_stretches_that_follow_each_other_are_told_as_one() -> None:
    long = parts_of(tape("A", days=150))
    assert data_changes(parts_of(tape("A")), long) == ["bars 1d A: 2021-04 differs; 2021-05 to 2021-06 is new"]


def test_changed_funding_is_told_by_symbol_and_a_tape_without_any_says_nothing_of_it() -> None:
    free, one, other = parts_of(tape("A", "B")), funded("0.01"), funded("0.02")
    assert data_changes(one, other) == ["funding: A differs"]
    assert "funding" not in free
    assert data_changes(free, one) == ["funding is new"]


def test_a_trade_that_only_changed_funding_can_have_changed_is_explained_by_it() -> None:
    (reason,) = first_reason(trade(), trade(quantity="2"), [], {"data": funded("0.01")}, {"data": funded("0.02")})
    assert reason == "the recorded funding differs, and with it the account's equity"


def test_a_changed_source_is_named() -> None:
    now = code_parts()
    before = {**now, "libs/quant/fills.py": "00000000"}
    assert code_changes(before, now) == ["libs/quant/fills.py"]
    assert {"libs/quant/strategies/sma_cross.py", "libs/venues/replay", "services/backtester/run.py"} <= now.keys()


def test_results_from_before_there_were_digests_are_told_to_have_none() -> None:
    assert "cannot be said" in data_changes(None, {})[0]


@pytest.mark.parametrize(
    ("other", "at", "said"),
    [
        (60, "2021-03-20", "the data of A differ in 2021-03, when it was made"),
        (20, "2021-03-20", "the data of A differ before it, first in 2021-02"),
    ],
)
def test_the_first_trade_is_explained_by_the_data_of_its_month_or_of_one_before(other: int, at: str, said: str) -> None:
    (reason,) = first_reason(trade(at), trade(at, quantity="2"), [], *data(tape("A"), tape("A", other=other)))
    assert reason.startswith(said)


def test_a_trade_over_data_that_did_not_change_is_explained_by_those_that_did() -> None:
    before = tape("A", "B")
    after = replace(before, bars={"1d": {"A": before.bars["1d"]["A"], "B": tape("B", other=3).bars["1d"]["B"]}})
    (reason,) = first_reason(trade(), trade(quantity="2"), [], *data(before, after))
    assert reason.startswith("the data of A are the same")


@pytest.mark.parametrize(
    ("terms", "options", "said"),
    [
        ({"commission": "3"}, ["fee_bps"], "its fee follows from fee_bps"),
        ({"executed_price": "3"}, ["slippage_bps", "fee_bps"], "its price follows from slippage_bps"),
        ({"quantity": "3"}, ["allocation"], "its quantity follows from allocation"),
        ({"quantity": "3"}, ["fee_bps", "financing.borrow_rate"], "its quantity follows from financing.borrow_rate"),
        ({"quantity": "3"}, ["params.fast"], "decided or sized otherwise: params.fast"),
    ],
)
def test_the_first_trade_is_explained_by_the_option_that_its_difference_follows_from(
    terms: dict[str, str], options: list[str], said: str
) -> None:
    assert first_reason(trade(), trade(**terms), options, {}, {}) == [said]


def test_a_trade_that_one_side_has_alone_is_explained_by_all_options() -> None:
    assert first_reason(None, trade(), ["params.fast"], {}, {}) == ["only one of them made it: params.fast"]


def test_a_trade_of_a_changed_strategy_is_explained_by_its_file() -> None:
    codes = [{"code": {"libs/quant/strategies/fast.py": digest, "libs/quant/fills.py": digest}} for digest in "ab"]
    assert first_reason(trade(), trade(pnl="2"), [], *codes) == ["its strategy was changed (libs/quant/strategies/fast.py)"]
