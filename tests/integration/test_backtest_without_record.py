"""Backtests of the command where no record answers: none is made to read, the embedded one is started to write."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fleet import record
from fleet.cli import app
from fleet.embedded.ports import free_port
from fleet.embedded.postgres import EmbeddedPostgres
from fleet.plan import FleetSettings
from fleet.record import NoRecord
from tests.backtest_commands import SMA, fleet, run


def test_a_result_without_a_record_is_given_all_the_same(environment: dict[str, str], bars: Path) -> None:
    nowhere = {**environment, "DATABASE_URL": f"postgresql://nobody@127.0.0.1:{free_port()}/none"}
    done = CliRunner().invoke(app, ["backtest", "run", *SMA, "--data", str(bars), "--json"], env=nowhere)
    assert (done.exit_code, json.loads(done.stdout)["id"]) == (0, None)
    assert "the result is not stored: the record does not answer" in done.stderr


def test_reading_makes_no_record_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(NoRecord, match="no record in"), record.opened(FleetSettings(state_dir=str(tmp_path)), to_write=False):
        pass
    assert not list(tmp_path.iterdir())


def test_without_a_fleet_the_embedded_record_is_started_for_a_moment(environment: dict[str, str], bars: Path) -> None:
    alone = {**environment, "DATABASE_URL": ""}
    server = EmbeddedPostgres(Path(environment["STATE_DIR"]) / "postgres")
    try:
        made = run(alone, "--data", bars)
        (listed,) = fleet(alone, "backtest", "results")["backtests"]
        assert listed["id"] == made["id"] is not None
        with record.opened(FleetSettings(state_dir=environment["STATE_DIR"]), to_write=False):
            assert run(alone, "--data", bars)["id"] is None  # somebody else has it open: the result is given all the same
    finally:
        server.wipe()  # as root its data lie elsewhere
