"""`fleet backtest diff` tells what made two stored results differ."""

from pathlib import Path

import psycopg
from typer.testing import CliRunner

from fleet.cli import app
from tests.backtest_commands import a_file, fleet, run


def test_diff_explains_a_changed_fee(environment: dict[str, str], bars: Path) -> None:
    free, dear = run(environment, "--data", bars), run(environment, "--data", bars, "--fee-bps", "2")
    found = fleet(environment, "backtest", "diff", free["id"], dear["id"])
    assert (found["causes"], found["equal"], found["defect"]) == (["config"], False, False)
    assert found["spec"] == [{"what": "fee_bps", "a": "0", "b": "2"}]
    assert found["trades_differ"] == free["trades"]
    assert found["trades"][0]["a"]["executed_price"] == found["trades"][0]["b"]["executed_price"]


def test_diff_tells_what_holding_cost_beside_the_fees(environment: dict[str, str], bars: Path) -> None:
    days = a_file(bars, 7, minutes=1_500)
    free, paying = run(environment, "--data", days), run(environment, "--data", days, "--cash-rate", "36")
    found = fleet(environment, "backtest", "diff", free["id"], paying["id"])
    assert found["spec"] == [{"what": "financing.cash_rate", "a": "0", "b": "36"}]
    earned = paying["financing"]["cash_interest"]
    assert {"what": "financing.cash_interest", "a": 0.0, "b": earned} in found["figures"]
    assert earned > 0 == found["trades_differ"]
    assert found["holding"] == ["what holding cost follows from financing.cash_rate"]


def test_diff_explains_another_file(environment: dict[str, str], bars: Path) -> None:
    one = run(environment, "--data", bars, "--symbol", "ALFA")
    other = run(environment, "--data", a_file(bars.with_name("other.csv"), 8), "--symbol", "ALFA")
    found = fleet(environment, "backtest", "diff", one["id"], other["id"])
    assert found["causes"] == ["data"]
    said = CliRunner().invoke(app, ["backtest", "diff", one["id"], other["id"]], env=environment).stdout
    assert "the bars are not the same" in said
    assert "bars 1m ALFA: 2025-01 differs" in said
    assert "the first: the data of ALFA differ in 2025-01, when it was made" in said
    assert "final_equity" in said


def test_the_same_again_has_no_difference(environment: dict[str, str], bars: Path) -> None:
    ids = [run(environment, "--data", bars)["id"] for _ in range(2)]
    found = fleet(environment, "backtest", "diff", *ids)
    assert (found["causes"], found["spec"], found["equal"]) == ([], [], True)


def test_another_result_of_equal_fingerprints_is_called_a_defect(environment: dict[str, str], bars: Path) -> None:
    ids = [run(environment, "--data", bars)["id"] for _ in range(2)]
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        connection.execute("update backtest_trades set executed_price = executed_price + 1 where backtest_id = %s and n = 1", (ids[0],))
    assert fleet(environment, "backtest", "diff", *ids, code=1)["defect"]
