"""`fleet backtest check`: what peeks is caught on the path it is played on, and a lone peak is told from a plateau."""

import json
import random
from array import array
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner, Result

from fleet.cli import app
from libs.domain.columns import Columns
from libs.quant.backtest.disturbed import later, median_true_range, noisy
from libs.quant.backtest.sturdiness import Run, spread, survives, unsaid
from libs.quant.backtest.tape import Tape
from libs.quant.folds import registry
from libs.quant.folds.neighbours import neighbours
from libs.quant.folds.registry import find
from libs.quant.quality.gate import UNCHECKED
from libs.quant.quality.series import series_of
from libs.quant.strategies import sma_cross
from services.backtester.check import Check, Subject, paths
from services.backtester.data import plain
from services.backtester.spec import Spec
from tests.fleets import configuration
from tests.peeking import columns_in_reach, dice, hidden_state, own_file

MINUTE = 60_000_000_000


def closes(count: int, drift: float = 0.0) -> list[float]:
    draw, price, found = random.Random(3), 100.0, []
    for n in range(count):
        price += draw.gauss(drift * (1 if n // 40 % 2 else -1), 0.05)
        found.append(round(price, 2))
    return found


def tape_of(prices: Sequence[float]) -> Tape:
    rows = [
        (MINUTE * (n + 1), before, max(before, now) + 0.02, min(before, now) - 0.02, now, 100.0)
        for n, (before, now) in enumerate(opens_and_closes(prices))
    ]
    start, *values = zip(*rows, strict=True)
    columns = Columns(array("q", start), *(array("d", column) for column in values))
    return Tape(instruments={"X": plain("X", "USD")}, bars={"1m": {"X": columns}}, fill_on={"X": "bar"}, since=MINUTE)


def opens_and_closes(prices: Sequence[float]) -> list[tuple[float, float]]:
    return list(zip([prices[0], *prices], prices, strict=False))


def subject(tape: Tape) -> Subject:
    spec = Spec(strategy="sma_cross", data="x.csv", risk=False, sizing="fixed:1")
    return Subject(spec=spec, tape=tape, limits=(), code=None, seed=1, runs=3, say=lambda text: None)


def only(checks: Iterable[Check]) -> Check:
    (check,) = checks
    return check


# --- paths


def test_an_honest_strategy_plays_the_beginning_of_a_tape_as_it_plays_the_whole() -> None:
    check = only(paths(subject(tape_of(closes(400)))))
    assert (check.name, check.outcome) == ("look-ahead, event path", "passed")
    assert "over 8 tapes cut short" in check.saw


def test_a_strategy_that_reads_the_next_close_is_caught_on_the_event_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "find", lambda name: columns_in_reach.STRATEGY)
    check = only(paths(subject(tape_of(closes(400)))))
    assert check.outcome == "failed"
    assert "the signal of sma_cross on X at the bar of" in check.saw
    assert "knew of later bars" in check.why


# --- the same market a little different


def test_neighbours_leave_alone_what_no_search_draws() -> None:
    trend = find("trend_vol_target")
    moved = {one.moved for one in neighbours(trend, trend.params())}
    assert "target_vol" in moved
    assert "bars_per_year" not in moved


def test_neighbours_move_one_parameter_by_a_step_or_a_share_and_are_accepted_by_the_strategy() -> None:
    found = neighbours(find("sma_cross"), sma_cross.Params(fast=20, slow=22))
    assert sorted(str(one) for one in found if one.moved == "fast") == ["fast=15", "fast=18", "fast=19", "fast=21"]  # not 22, not 25
    assert all(sum(one.params[name] != {"fast": 20, "slow": 22}[name] for name in one.params) == 1 for one in found)


def test_noise_is_the_same_for_the_same_seed_and_leaves_bars_that_can_be() -> None:
    tape = tape_of(closes(300))
    one, again, other = (noisy(tape, 0.1, seed).bars["1m"]["X"] for seed in ((1, 0), (1, 0), (1, 1)))
    assert one == again != other
    assert all(low <= min(o, c) and max(o, c) <= high for o, high, low, c in zip(*one[1:5], strict=True))
    moves = [abs(a - b) for a, b in zip(one.close, tape.bars["1m"]["X"].close, strict=True)]
    assert 0 < sum(moves) / len(moves) < 0.2 * median_true_range(series_of("X", MINUTE, tape.bars["1m"]["X"]))


def test_a_tape_that_starts_later_lacks_just_its_first_bars() -> None:
    tape = tape_of(closes(100))
    assert list(later(tape, 7).bars["1m"]["X"].start) == list(tape.bars["1m"]["X"].start)[7:]
    with pytest.raises(ValueError, match="expected more than 100 bars, got 100"):
        later(tape, 100)


# --- verdicts


def run(sharpe: float, total_return: float = 0.1, trades: int = 100) -> Run:
    return Run("r", total_return, sharpe, trades)


def test_a_peak_with_less_than_half_of_it_around_fails_and_is_called_lone() -> None:
    verdict = spread(run(2.0), [run(0.1), run(0.3), run(-0.2, -0.05), run(1.9)])
    assert verdict.outcome == "failed"
    assert "a lone peak: better than all 4" in verdict.saw
    assert "-0.20 to 1.90, 0.20 in the middle, and 1 of them lose money" in verdict.saw


def test_a_plateau_passes_also_where_it_is_the_best() -> None:
    verdict = spread(run(2.0), [run(1.2), run(1.5), run(1.1)])
    assert (verdict.outcome, "lone peak" in verdict.saw) == ("passed", False)


def test_a_result_that_later_fills_take_away_fails() -> None:
    assert survives(run(2.0), run(-0.1, total_return=-0.01)).outcome == "failed"
    assert survives(run(2.0), run(0.4, total_return=0.01)).outcome == "passed"


def test_of_few_fills_and_of_a_loss_nothing_is_said() -> None:
    few, loss = unsaid(run(3.0, trades=19)), unsaid(run(-1.0, total_return=-0.2))
    assert few is not None
    assert "19 fills say too little" in few.saw
    assert loss is not None
    assert "no result to lose" in loss.saw
    assert unsaid(run(1.0, trades=20)) is None


# --- the command


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration(tmp_path / "config")
    for name, value in {"STATE_DIR": "state", "CONFIG_DIR": "config"}.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    for name in ("DATABASE_URL", "MARKET_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)


def a_file(path: Path, bars: Sequence[tuple[float, float]]) -> Path:
    at, lines = datetime(2025, 1, 6, tzinfo=UTC), ["timestamp,open,high,low,close,volume"]
    for n, (before, now) in enumerate(bars):
        high, low = max(before, now) + 0.02, min(before, now) - 0.02
        lines.append(f"{(at + timedelta(minutes=n)).isoformat()},{before},{high:.2f},{low:.2f},{now},{100 + n}")
    path.write_text("\n".join(lines) + "\n")
    return path


def check(*arguments: str | Path) -> Result:
    terms = ("--risk", "off", "--sizing", "fixed:1", "--engine", "event", "--runs", "3")
    return CliRunner().invoke(app, ["backtest", "check", "sma_cross", *terms, *map(str, arguments)])


def outcomes(result: Result) -> dict[str, str]:
    return {one["name"]: one["outcome"] for one in json.loads(result.stdout.splitlines()[-1])["checks"]}


def test_a_trend_that_is_really_there_passes_every_check_and_says_the_same_again(tmp_path: Path) -> None:
    file = a_file(tmp_path / "x.csv", opens_and_closes(closes(900, drift=0.06)))
    first, again = (check("--param", "fast=3", "--param", "slow=9", "--data", file, "--json") for _ in range(2))
    assert (first.exit_code, set(outcomes(first).values())) == (0, {"passed"}), first.output
    assert {"parameters", "noise", "later execution", "another start", "doubled costs", "data"} <= outcomes(first).keys()
    assert first.stdout == again.stdout


@pytest.mark.parametrize(
    ("module", "name"),
    [(columns_in_reach, "look-ahead, event path"), (hidden_state, "restart"), (dice, "repeat"), (own_file, "sealed")],
)
def test_a_strategy_that_is_bad_on_purpose_fails_with_words(
    module: ModuleType, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "find", lambda _: module.STRATEGY)
    file = a_file(tmp_path / "x.csv", opens_and_closes(closes(120)))
    result = check("--data", file)
    assert result.exit_code == 1
    assert f"failed   {name}: " in result.stderr
    assert "mend: " in result.stderr


def halved(folder: Path) -> Path:
    bars = opens_and_closes(closes(120))
    return a_file(folder / "x.csv", [*bars[:60], *((round(opened / 2, 2), round(close / 2, 2)) for opened, close in bars[60:])])


def test_a_run_over_data_that_mean_nothing_exits_2_and_runs_when_told_to_with_a_note(tmp_path: Path) -> None:
    asked = ["backtest", "run", "--no-store", "--strategy", "sma_cross", "--data", str(halved(tmp_path)), "--json"]
    refused, played = (CliRunner().invoke(app, [*asked, *quality]) for quality in ((), ("--quality", "off")))
    assert (refused.exit_code, played.exit_code) == (2, 0)
    assert "the data are refused (label):" in json.loads(refused.stdout)["error"]
    assert UNCHECKED in json.loads(played.stdout.splitlines()[-1])["notes"]


def test_data_that_would_be_refused_fail_the_check(tmp_path: Path) -> None:
    result = check("--data", halved(tmp_path))
    assert result.exit_code == 1
    assert "failed   data: X: possible_split" in result.stderr


def test_a_parameter_that_is_none_exits_2() -> None:
    result = check("--param", "speed=3")
    assert (result.exit_code, "has no parameter 'speed'" in result.stderr) == (2, True)
