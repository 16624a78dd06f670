"""What cannot work is refused before anything is started: exit code 2, and a message that names the culprit and what was expected."""

import shutil
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fleet.cli import app
from libs.domain.fleet import PORTS
from tests.faults.fleet import ROOT, free_offset

NOBODY = "127.0.0.1:1"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A copy of the shipped configuration, to be spoiled."""
    return Path(shutil.copytree(ROOT / "config", tmp_path / "config"))


def refusal(tmp_path: Path, *arguments: str, **environment: str) -> str:
    """What a start that is refused says."""
    given = {
        "DATABASE_URL": "",
        "REDIS_URL": "",
        "MARKET_DATA_DIR": "",
        "STATE_DIR": str(tmp_path / "state"),
        "CONFIG_DIR": str(ROOT / "config"),
    }
    done = CliRunner().invoke(app, ["run", "--seconds", "1", *arguments], env={**given, "PORT_OFFSET": str(free_offset()), **environment})
    assert done.exit_code == 2, done.output
    assert not list((tmp_path / "state" / "logs").glob("*")), "a service was started"
    return done.stderr


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("system", "deposit = 100000", "deposit = -5", "line 8: Expected a number above 0 in field `deposit`, got -5"),
        ("system", "deposit = 100000", "deposit = nan", "line 8: Expected a number above 0 in field `deposit`, got NaN"),
        ("system", "fee_bps = 1.0", "fee_bps = nan", "line 28: Expected a number of 0 or more in field `fee_bps`, got NaN"),
        (
            "system",
            "\nparticipation = 1.0",
            "\nparticipation = 5.0",
            "line 26: Expected a number above 0 and at most 1 in field `participation`",
        ),
        ("system", "latency_ms = 0.0", "latency_ms = many", "(at line 23, column 14)"),
        ("risk", "value = 25000", "value = nan", "line 7: Expected `float` >= 0.0 (value = nan)"),
        ("risk", "value = 25000", "value = inf", "line 7: Expected `float` <= 1000000000000000.0 (value = inf)"),
        (
            "risk",
            'unit = "currency"',
            'unit = "dollars"',
            "line 8: Invalid enum value 'dollars', expected one of count, currency, equity, fraction",
        ),
        ("strategies", "allocation = 0.06", "allocation = 15", "line 21: Expected `float` <= 1.0 (allocation = 15)"),
        (
            "strategies",
            'class = "sma_cross"',
            'class = "sma_corss"',
            "line 6: no strategy class 'sma_corss'; there are: breakout, fusion, ",
        ),
        ("strategies", "slow = 20", "slwo = 20", "line 11: sma_cross has no parameter 'slwo'; it has: fast, slow"),
        (
            "strategies",
            "fast = 8, slow = 30",
            "fast = 31, slow = 30",
            "line 22: sma_cross: expected 1 <= fast < slow <= 10000, got fast=31, slow=30",
        ),
        ("notifications", 'kind = "email"', 'kind = "pigeon"', "line 22: Invalid enum value 'pigeon'"),
        (
            "notifications",
            'tz = "UTC"',
            'tz = "Berlin"',
            "line 6: Expected a time zone such as \"America/New_York\" in field `tz`, got 'Berlin'",
        ),
        ("strategies", 'account = "paper"', 'account = "papr"', "line 9: no account 'papr'; there are: crypto, paper, stocks"),
    ],
)
def test_a_bad_value_is_named_with_file_and_line(tmp_path: Path, config: Path, file: str, old: str, new: str, said: str) -> None:
    path = config / f"{file}.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    refused = refusal(tmp_path, CONFIG_DIR=str(config))
    assert str(path) in refused
    assert said in refused


def test_a_file_that_is_missing_is_named(tmp_path: Path, config: Path) -> None:
    (config / "risk.toml").unlink()
    assert f"{config / 'risk.toml'}: No such file or directory" in refusal(tmp_path, CONFIG_DIR=str(config))


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("PORT_OFFSET", "abc", "PORT_OFFSET: Expected `int`, got `str`, got 'abc'"),
        ("PORT_OFFSET", "60000", "PORT_OFFSET: Expected `int` <= 55000, got '60000'"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL: Invalid enum value 'loud', got 'loud', expected one of DEBUG, INFO, WARNING, ERROR"),
        (
            "EXECUTION_MODE",
            "live",
            "EXECUTION_MODE=live trades real money: set LIVE_TRADING_CONFIRMED=yes",
        ),
        ("DATABASE_URL", f"postgresql://nobody@{NOBODY}/none", "DATABASE_URL cannot be used"),
        ("DATABASE_URL", "nonsense", "DATABASE_URL cannot be used"),
    ],
)
def test_a_bad_variable_is_named(tmp_path: Path, variable: str, value: str, said: str) -> None:
    assert said in refusal(tmp_path, **{variable: value})


@pytest.mark.parametrize(
    ("url", "said"), [(f"redis://{NOBODY}/0", "REDIS_URL does not answer"), ("nonsense", "REDIS_URL: Redis URL must specify")]
)
def test_a_bus_that_nobody_answers_on_is_named(tmp_path: Path, database_url: str, url: str, said: str) -> None:
    assert said in refusal(tmp_path, DATABASE_URL=database_url, REDIS_URL=url)


@pytest.mark.parametrize("service", PORTS)
def test_a_taken_port_is_named_with_its_service_and_the_way_out(tmp_path: Path, service: str) -> None:
    offset = free_offset()
    port = PORTS[service] + offset
    with socket.create_server(("127.0.0.1", port)):
        said = refusal(tmp_path, PORT_OFFSET=str(offset))
    assert f"port {port} of {service} is taken" in said
    assert "PORT_OFFSET" in said


def test_market_data_that_are_not_there_are_named(tmp_path: Path) -> None:
    assert "MARKET_DATA_DIR is not set" in refusal(tmp_path, "--replay", "equities")
    nowhere = str(tmp_path / "nowhere")
    assert f"{nowhere}/equities/minute/AIG_quote.parquet is not there" in refusal(tmp_path, "--replay", "equities", MARKET_DATA_DIR=nowhere)
    unknown = refusal(tmp_path, "--replay", "bonds")
    assert "no recorded market is called 'bonds'; there are equities: " in unknown
    assert "crypto_coinbase" in unknown
