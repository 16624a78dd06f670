"""`fleet backtest run` and `fleet strategies check` on small files; what the record keeps is in the integration tests."""

import json
import random
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import isnan
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from fleet import checking
from fleet.cli import app
from fleet.parity import parity_text
from libs.domain.stories import Difference
from libs.quant.folds import registry
from libs.quant.folds.contract import BarView, PanelView, Strategy
from libs.quant.strategies import sma_cross
from services.backtester.parity import Compared, changed
from services.backtester.spec import Spec
from tests.fleets import configuration

KEYS = {"strategy", "final_equity", "orders", "trades", "fees", "total_return", "max_drawdown", "sharpe", "bars", "engine", "seconds"}
KEYS |= {"fingerprint", "refused", "notes", "halts", "id"}
SMA = ("--strategy", "sma_cross", "--param", "fast=3", "--param", "slow=8")


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration(tmp_path / "config")
    for name, value in {"STATE_DIR": "state", "CONFIG_DIR": "config"}.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    for name in ("DATABASE_URL", "MARKET_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    return a_file(tmp_path / "bars.csv", 300)


def a_file(path: Path, count: int) -> Path:
    draw, price, at, lines = random.Random(7), 100.0, datetime(2025, 1, 6, tzinfo=UTC), ["timestamp,open,high,low,close,volume"]
    for n in range(count):
        opened, price = price, round(price + draw.gauss(0, 0.2), 2)
        high, low = max(opened, price) + 0.05, min(opened, price) - 0.05
        lines.append(f"{(at + timedelta(minutes=n)).isoformat()},{opened},{high:.2f},{low:.2f},{price},1000")
    path.write_text("\n".join(lines) + "\n")
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["backtest", "run", "--no-store", *map(str, arguments)])


def line(*arguments: str | Path) -> dict[str, Any]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout.splitlines()[-1]))


def test_the_last_line_has_every_figure(bars: Path) -> None:
    found = line(*SMA, "--data", bars, "--risk", "off", "--sizing", "fixed:1")
    assert found.keys() >= KEYS
    assert (found["strategy"], found["bars"], found["id"]) == ("sma_cross", 300, None)
    assert found["trades"] == found["orders"] > 0


def test_equal_runs_have_equal_fingerprints_and_another_fee_another(bars: Path) -> None:
    asked = (*SMA, "--data", bars, "--risk", "off", "--sizing", "fixed:1")
    first, again, dearer = line(*asked), line(*asked), line(*asked, "--fee-bps", "1.5")
    assert first["fingerprint"] == again["fingerprint"] != dearer["fingerprint"]
    assert dearer["final_equity"] == pytest.approx(first["final_equity"] - dearer["fees"])


def test_without_json_a_person_is_told_what_was_run(bars: Path) -> None:
    said = run(*SMA, "--data", bars, "--risk", "off", "--sizing", "fixed:1", "--fee-bps", "2").stdout
    for text in ("sma_cross(fast=3, slow=8)", "300 bars", "risk controls OFF", "fee 2 bps", "Sharpe"):
        assert text in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--param", "speed=3"), "has no parameter 'speed'; it has: fast, slow"),
        (("--param", "fast"), "--param fast: expected NAME=NUMBER"),
        (("--cash", "-5"), "expected cash above 0"),
        (("--cash", "much"), "--cash much: Invalid decimal string"),
        (("--allocation", "2"), "--allocation 2: Expected `float` <= 1.0"),
        (("--sizing", "huge"), "expected sizing equity, fixed:UNITS or risk:FRACTION"),
        (("--fill", "close"), "--fill close"),
        (("--risk", "maybe"), "--risk maybe: expected on or off"),
        (("--risk", "off", "--entry", "limit"), "--entry limit: expected market, limit:BPS"),
        (("--entry", "limit:5"), "risk off"),
        (("--stop-loss", "-3"), "--stop-loss -3: expected basis points above 0"),
        (("--start", "2025"), "expected start to be a day or a time"),
        (("--end", "2020-01-01"), "has no bars from its start to 2020-01-01"),
        (("--replay", "crypto"), "expected exactly one of data, replay and symbols, got data, replay"),
        (("--config",), "expected either strategy or strategies"),
        (("--calendar", "XNYS"), "expected calendar to be one of us_equity, 24/7, forex, cme_globex (us_equity is XNYS"),
        (("--venue", "alpaca"), "venue says which stored bars, see symbols: it chooses nothing of data"),
        (("--account", "main"), "--account main: it says whose strategies --config runs; --data"),
        (("--sizing", "fixed:1e300"), "UNITS are above 0 and at most 1e15"),
    ],
)
def test_what_is_asked_wrongly_is_named_and_exits_2(bars: Path, arguments: tuple[str, ...], said: str) -> None:
    result = run(*SMA, "--data", bars, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_calendar_without_a_file_is_refused() -> None:
    result = run(*SMA, "--replay", "crypto", "--calendar", "us_equity")
    assert result.exit_code == 2
    assert "calendar is of a file of bars, see data" in result.stderr


@pytest.mark.parametrize("currency", ["nope!", "usd", "US", "DOLLARS"])
def test_a_currency_that_is_none_is_refused(currency: str) -> None:
    with pytest.raises(ValueError, match="expected currency to be three to five capital letters such as USD or USDT, got"):
        Spec(strategy="sma_cross", data="x.csv", currency=currency)


def test_what_cannot_be_counted_in_lots_is_said_once_and_without_a_traceback(bars: Path, caplog: pytest.LogCaptureFixture) -> None:
    result = run(*SMA, "--data", bars, "--cash", "1e15", "--risk", "off")
    assert result.exit_code == 0
    assert result.stdout.count("no countable number of steps") == 1
    assert "RC-ERR" in result.stdout
    assert not caplog.records


def test_while_the_market_of_a_file_is_shut_orders_are_refused(bars: Path, tmp_path: Path) -> None:
    collar = '[[limit]]\nscope = "order"\nname = "price_collar"\nvalue = 0.05\nunit = "fraction"\n'
    (tmp_path / "config" / "risk.toml").write_text(collar)
    asked = (*SMA, "--data", bars, "--allocation", "0.01", "--quality", "off")  # a Monday's small hours
    shut = line(*asked, "--calendar", "us_equity")
    assert shut["trades"] == 0
    assert "RC-A15: the market (us_equity) is shut" in shut["notes"][-1]
    assert line(*asked)["trades"] > 0


def test_a_file_that_is_not_there_exits_2(tmp_path: Path) -> None:
    result = run(*SMA, "--data", tmp_path / "none.csv")
    assert result.exit_code == 2
    assert str(tmp_path / "none.csv") in result.stderr


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "thin.csv"
    path.write_text("timestamp,open,high,low,volume\n2025-01-06T00:00:00Z,1,1,1,1\n")
    result = run(*SMA, "--data", path, "--json")
    assert result.exit_code == 2
    assert "close" in json.loads(result.stdout)["error"]


def test_a_strategy_that_raises_is_named_with_its_bar(bars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "find", lambda name: with_step(raising))
    result = run("--strategy", "sma_cross", "--data", bars)
    assert result.exit_code == 2
    assert "failed on the bar of BARS that starts at 2025-01-06T00:00:00Z (row 1)" in result.stderr
    assert "ZeroDivisionError" in result.stderr


def test_a_run_without_trades_is_done_and_says_why(bars: Path) -> None:
    result = run(
        "--strategy", "sma_cross", "--param", "fast=250", "--param", "slow=299", "--data", bars, "--json", "--end", "2025-01-06T02:00"
    )
    assert result.exit_code == 0
    assert json.loads(result.stdout)["trades"] == 0
    assert "there was no trade" in result.stderr
    assert "it may need more bars" in result.stderr


def test_a_spec_file_whose_lists_never_end_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text('{"strategy": ' + "[" * 100_000)
    result = run("--spec", tmp_path / "deep.json")
    assert result.exit_code == 2
    assert "expected a JSON object, its lists or objects lie too deep in each other" in result.stderr


def test_options_lie_over_a_spec_file(bars: Path, tmp_path: Path) -> None:
    spec = Spec(strategy="sma_cross", params={"fast": 3, "slow": 8}, data="elsewhere.csv", risk=False, sizing="fixed:1")
    (tmp_path / "spec.json").write_bytes(msgspec.json.encode(spec))
    assert line("--spec", tmp_path / "spec.json", "--data", bars)["trades"] > 0


def test_the_configuration_is_run_as_its_options_would_be(bars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = (
        '[[limit]]\nscope = "account"\nname = "max_position_notional"\nvalue = 1\nunit = "equity"\n'
        '[[limit]]\nscope = "order"\nname = "price_collar"\nvalue = 0.05\nunit = "fraction"\n'
    )
    monkeypatch.setenv("CONFIG_DIR", str(configuration(tmp_path / "wide", risk=wide)))
    configured = line("--config", "--data", bars)
    terms = ("--param", "fast=3", "--param", "slow=8", "--allocation", "0.5", "--participation", "0.1")
    by_hand = line("--strategy", "sma_cross", *terms, "--data", bars)
    assert configured["trades"] > 0
    assert (configured["strategy"], configured["final_equity"]) == ("fast", by_hand["final_equity"])


def test_importing_the_command_loads_neither_alembic_nor_numpy() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, fleet.cli; print(*sys.modules)"], check=True, capture_output=True, text=True
    )
    assert not {"alembic", "sqlalchemy", "numpy", "pyarrow"} & set(loaded.stdout.split())


def compared(*differences: Difference) -> Compared:
    return Compared(
        session_id="s",
        feed="replay:crypto",
        mode="lockstep",
        account_id="paper",
        source="bars stored by the session",
        signals=4,
        orders=3,
        trades=2,
        balances=True,
        limits=[],
        faults=[],
        differences=list(differences),
    )


def test_parity_of_an_equal_day_says_so() -> None:
    said = parity_text("2018-04-04", [compared()], None)
    assert "4 signals, 3 orders, 2 trades" in said
    assert "equal to the last digit" in said


def test_parity_names_limits_that_were_changed() -> None:
    used = [(0, [1, 2]), (5_000_000_000, [1, 3]), (6_000_000_000, [1, 3, 4]), (7_000_000_000, [1, 3])]
    limits = [changed(before, after) for before, after in pairwise(used)]
    said = parity_text("2018-04-04", [msgspec.structs.replace(compared(), limits=limits)], None)
    assert "held: version 3 in place of 2 from 1970-01-01T00:00:05Z; version 4 from" in said
    assert "; without version 4 from 1970-01-01T00:00:07Z" in said


def test_parity_groups_differences_by_cause_and_counts_those_not_shown() -> None:
    fee = Difference("trade", "fee", 1_000_000_000, "fast ALFA 1m fill 1", "fee=1", "fee=2", "another fee")
    late = Difference("signal", "timing", 0, "fast ALFA 1m", "nothing", "target=1", "stopped")
    said = parity_text("2018-04-04", [compared(*[fee] * 12, late)], "2018-04-04T05:00:00Z")
    assert "the day is not over: compared up to 2018-04-04T05:00:00Z" in said
    assert said.index("timing, 1:") < said.index("fee, 12:")
    assert said.count("1970-01-01T00:00:01Z trade fast ALFA 1m fill 1: another fee") == 10
    assert "and 2 more" in said


def check(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["strategies", "check", *map(str, arguments)])


def test_an_honest_strategy_passes_its_check() -> None:
    result = check("sma_cross", "--param", "fast=3")
    assert result.exit_code == 0, result.output
    assert "no look-ahead, restarts exactly, repeats exactly" in result.stdout


def test_a_check_runs_on_the_bars_of_a_file(bars: Path) -> None:
    result = check("sma_cross", "--data", bars, "--json")
    assert (result.exit_code, json.loads(result.stdout)["ok"]) == (0, True)


def test_a_strategy_that_does_not_repeat_itself_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "find", lambda name: with_step(moody))
    result = check("sma_cross")
    assert result.exit_code == 1
    assert "sma_cross, repeat:" in result.stderr


def test_a_panel_is_checked_on_a_market_with_holes() -> None:
    market = checking.random_walk(registry.find("pairs"), 200)
    closes = [bar.close for bar in market if isinstance(bar, PanelView)]
    assert {len(prices) for prices in closes} == {2}
    assert any(isnan(price) for prices in closes for price in prices)


def test_an_unknown_strategy_is_refused_by_the_check() -> None:
    result = check("nope")
    assert result.exit_code == 2
    assert "no strategy is called 'nope'; there are: " in result.stderr


def with_step(step: Any) -> Strategy:
    return replace(sma_cross.STRATEGY, step=step)


def raising(state: Any, bar: BarView, params: Any) -> tuple[Any, float]:
    return state, bar.close / 0


def moody(state: Any, bar: BarView, params: Any) -> tuple[Any, float]:
    return state, random.random()


# --- halts


def test_a_backtest_that_was_halted_says_when_and_by_what(bars: Path, tmp_path: Path) -> None:
    collar = '[[limit]]\nscope = "order"\nname = "price_collar"\nvalue = 0.02\nunit = "fraction"\n'
    fall = '[[limit]]\nscope = "account"\nname = "max_drawdown"\nvalue = 0.0001\nunit = "fraction"\n'
    (tmp_path / "config" / "risk.toml").write_text(collar + fall)
    found = run(*SMA, "--data", bars, "--json")
    (line,) = (line for line in run(*SMA, "--data", bars).stdout.splitlines() if line.startswith("HALTED"))
    assert re.fullmatch(r"HALTED +2025-01-06T\S+Z: max_drawdown, 0\.\d+% of [\d,.]+ USD lost, limit 0\.01%; from .*", line)
    answer = json.loads(found.stdout.splitlines()[-1])
    assert [(halt["limit"], halt["max"]) for halt in answer["halts"]] == [("max_drawdown", 0.0001)]
    assert answer["notes"][-1] == f"{answer['refused']} signals refused, RC-B05: the account was halted, and nobody re-arms in a backtest"


SHORTER = ("--strategy", "sma_cross", "--param", "fast=2", "--param", "slow=5", "--risk", "off", "--sizing", "fixed:1")


def test_a_coarser_timeframe_is_made_of_the_bars_and_a_finer_one_refused(bars: Path) -> None:
    minutes, fives = line(*SHORTER, "--data", bars), line(*SHORTER, "--data", bars, "--timeframe", "5m")
    assert (minutes["bars"], fives["bars"], fives["timeframe"]) == (300, 360, "1m")
    assert 0 < fives["trades"] < minutes["trades"]
    refused = run(*SHORTER, "--data", bars, "--timeframe", "1s")
    assert refused.exit_code == 2
    assert "has bars of 1m; bars of 1s cannot be made of longer ones" in refused.stderr


def test_strategies_of_a_spec_run_on_timeframes_of_their_own(bars: Path, tmp_path: Path) -> None:
    strategies = [
        {
            "id": name,
            "class": "sma_cross",
            "symbols": ["*"],
            "timeframe": timeframe,
            "account": "x",
            "allocation": 0.2,
            "params": {"slow": 5},
        }
        for name, timeframe in (("quick", "auto"), ("slow", "5m"))
    ]
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"strategies": [s | {"params": {"fast": 2, "slow": 5}} for s in strategies], "risk": False}))
    together = line("--spec", spec, "--data", bars)
    assert together["strategy"] == "quick+slow"
    assert together["bars"] == 360
    assert together["orders"] > line("--spec", spec, "--data", bars, "--timeframe", "5m")["orders"] > 0


def test_what_holding_costs_and_pays_is_told_and_in_the_figures(bars: Path, tmp_path: Path) -> None:
    asked = (*SHORTER, "--data", a_file(tmp_path / "days.csv", 1_500), "--cash-rate", "36", "--borrow-rate", "3")
    found, free = line(*asked), line(*asked[:-4])
    sums = found["financing"]
    assert sums["total"] == sums["cash_interest"] == pytest.approx(100, rel=0.01)  # one midnight
    assert found["final_equity"] == pytest.approx(free["final_equity"] + sums["total"])
    assert found["trades"] == free["trades"]
    assert free["financing"] == {}
    said = run(*asked).stdout
    assert "costs       36 % a year on cash, 3 % a year on shorts" in said
    assert "holding     +" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--cash-rate", "much"), "--cash-rate much: Invalid decimal string, in per cent"),
        (("--borrow-rate", "99999"), "--borrow-rate 99999: expected borrow_rate from -10000 to 10000"),
        (("--actions", "none.csv"), "none.csv: file: no_file"),
        (("--funding", "none.csv"), "none.csv: file: no_file"),
    ],
)
def test_rates_and_files_that_cannot_be_used_are_named(bars: Path, arguments: tuple[str, ...], said: str) -> None:
    result = run(*SMA, "--data", bars, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_a_split_of_a_file_beside_the_bars_halves_prices_and_doubles_what_is_held(tmp_path: Path) -> None:
    head, closes = "timestamp,open,high,low,close,volume\n", [100, 101, 102, 103, 52, 52.5]
    rows = [f"2025-01-{n:02},{close},{close},{close},{close},1000\n" for n, close in enumerate(closes, 6)]
    (tmp_path / "x.csv").write_text(head + "".join(rows))
    actions = tmp_path / "actions.csv"
    actions.write_text("symbol,effective,kind,ratio,cash\nX,2025-01-10,split,2,\nX,2025-01-09,dividend,,0.5\nY,2025-01-10,split,2,\n")
    asked = ("--strategy", "sma_cross", "--param", "fast=1", "--param", "slow=2", "--risk", "off", "--sizing", "fixed:10")
    found = line(*asked, "--data", tmp_path / "x.csv", "--actions", actions)
    assert found["trades"] == 1  # without the split it would have sold on the fifth day
    assert found["financing"]["income"] == 5
    assert found["final_equity"] == 100_000 - 10 * 102 + 5 + 20 * 52.5
    assert "corporate actions of Y are not used: there are no bars of it" in found["notes"]
    assert "possible_split" in run(*asked, "--data", tmp_path / "x.csv").stderr
    assert line(*asked, "--data", tmp_path / "x.csv", "--quality", "off")["trades"] == 2
