from decimal import Decimal as D
from pathlib import Path
from typing import Any

import pytest

from libs.common.settings import ConfigError, Settings, from_environment, from_toml
from libs.domain.configuration import RiskConfig, StrategiesConfig, SystemConfig

GIVEN = {"DATABASE_URL": "postgresql://u:secret@h/d", "REDIS_URL": "redis://h"}
STRATEGIES = """\
[[strategy]]
id = "fast"
class = "sma_cross"
symbols = ["*"]
account = "main"
allocation = 0.5

[[strategy]]
id = "slow"
class = "sma_cross"
symbols = ["ALFA"]
account = "main"
allocation = 0.25
"""


def strategies(folder: Path, text: str, environment: str = "test") -> StrategiesConfig:
    (folder / "strategies.toml").write_text(text)
    return from_toml(StrategiesConfig, folder, "strategies", environment)


def complaint(folder: Path, text: str, kind: type[Any] = StrategiesConfig, name: str = "strategies") -> str:
    (folder / f"{name}.toml").write_text(text)
    with pytest.raises(ConfigError) as error:
        from_toml(kind, folder, name, "test")
    return str(error.value).replace(f"{folder}/", "")


def overlay(folder: Path, text: str) -> None:
    (folder / "env").mkdir()
    (folder / "env" / "test.toml").write_text(text)


def test_settings_come_from_variables_in_capitals() -> None:
    settings = from_environment(Settings, GIVEN | {"PORT_OFFSET": "100", "LOG_LEVEL": "DEBUG"})
    assert (settings.database_url, settings.port_offset, settings.log_level) == (GIVEN["DATABASE_URL"], 100, "DEBUG")
    assert settings.state_dir == ".state"


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        pytest.param({"REDIS_URL": "redis://h"}, "DATABASE_URL: .*missing.* in the environment", id="missing"),
        pytest.param(GIVEN | {"REDIS_URL": ""}, "REDIS_URL: .*missing.* in the environment", id="empty is missing"),
        pytest.param(GIVEN | {"PORT_OFFSET": "x1"}, "PORT_OFFSET: Expected `int`, got `str`, got 'x1'", id="no number"),
        pytest.param(GIVEN | {"LOG_LEVEL": "LOUD"}, "LOG_LEVEL: Invalid enum value 'LOUD', got 'LOUD'", id="none of the values"),
        pytest.param(
            GIVEN | {"EXECUTION_MODE": "live"},
            "^EXECUTION_MODE=live trades real money: set LIVE_TRADING_CONFIRMED=yes if you mean it$",
            id="live and not confirmed",
        ),
    ],
)
def test_a_wrong_variable_is_named(environment: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        from_environment(Settings, environment)


def test_a_secret_may_come_from_a_file_and_loses_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://from/file\n")
    settings = from_environment(Settings, GIVEN | {"DATABASE_URL_FILE": str(tmp_path / "url")})
    assert settings.database_url == "postgresql://from/file"


def test_a_secret_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"DATABASE_URL_FILE={tmp_path}/none: No such file"):
        from_environment(Settings, GIVEN | {"DATABASE_URL_FILE": f"{tmp_path}/none"})


def test_a_secret_file_that_is_no_text_is_named_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "url").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=f"DATABASE_URL_FILE={tmp_path}/url: not UTF-8 text"):
        from_environment(Settings, GIVEN | {"DATABASE_URL_FILE": f"{tmp_path}/url"})


def test_what_is_shown_holds_no_secret() -> None:
    shown = from_environment(Settings, GIVEN).shown()
    assert "secret" not in str(shown)
    assert shown["environment"] == "development"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param(
            "allocation = 0.25",
            "allocation = 1.5",
            "strategies.toml, line 13: Expected `float` <= 1.0 (allocation = 1.5)",
            id="out of range",
        ),
        pytest.param(
            "allocation = 0.25",
            'allocation = "a lot"',
            'strategies.toml, line 13: Expected `float`, got `str` (allocation = "a lot")',
            id="wrong type",
        ),
        pytest.param(
            'id = "slow"',
            'id = "Slow!"',
            "strategies.toml, line 9: Expected `str` matching regex '^[a-z0-9_]{1,32}$' (id = \"Slow!\")",
            id="a name that is none",
        ),
        pytest.param(
            "allocation = 0.25",
            "allocation = 0.25\nalocation = 1",
            "strategies.toml, line 14: Object contains unknown field `alocation` (alocation = 1)",
            id="unknown key",
        ),
        pytest.param(
            'account = "main"\nallocation = 0.25',
            "allocation = 0.25",
            "strategies.toml, line 8: Object missing required field `account` ([[strategy]])",
            id="missing in the last table",
        ),
        pytest.param(
            'class = "sma_cross"\nsymbols = ["*"]',
            'symbols = ["*"]',
            "strategies.toml, line 1: Object missing required field `class` ([[strategy]])",
            id="missing in the first table but not in the next",
        ),
        pytest.param(
            'symbols = ["ALFA"]',
            "symbols = [1]",
            "strategies.toml, line 11: Expected `str`, got `int` (symbols = [1])",
            id="inside a list",
        ),
        pytest.param(
            "allocation = 0.25",
            'allocation = 0.25\nparams = { fast = "3" }',
            'strategies.toml, line 14: Expected `int | float`, got `str` (params = { fast = "3" })',
            id="inside a table of parameters",
        ),
    ],
)
def test_a_wrong_value_is_shown_with_file_line_and_what_was_expected(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert STRATEGIES.count(old) >= 1
    at = STRATEGIES.rindex(old)
    assert complaint(tmp_path, STRATEGIES[:at] + new + STRATEGIES[at + len(old) :]) == said


def test_tables_within_a_table_are_not_counted_as_its_neighbours(tmp_path: Path) -> None:
    text = STRATEGIES.replace("allocation = 0.5\n", "allocation = 0.5\n[strategy.params]\nfast = 3\n").replace("allocation = 0.25\n", "")
    assert complaint(tmp_path, text).startswith("strategies.toml, line 10: Object missing required field `allocation`")


def test_an_overlay_that_is_no_table_is_named(tmp_path: Path) -> None:
    overlay(tmp_path, "strategies = 3\n")
    assert complaint(tmp_path, STRATEGIES) == "env/test.toml: strategies: expected a table, got 3"


def test_a_plain_table_and_the_top_of_a_file_are_found_too(tmp_path: Path) -> None:
    system = 'fleet_tag = "TWND"\n[[account]]\nname = "main"\nbase_currency = "USD"\ndeposit = 1\n[paper]\nlatency_ms = 0\n'
    wrong = complaint(tmp_path, system.replace("latency_ms = 0", "latency_ms = -1"), SystemConfig, "system")
    assert wrong == "system.toml, line 7: Expected `float` >= 0.0 (latency_ms = -1)"
    wrong = complaint(tmp_path, system.replace("TWND", "fleet"), SystemConfig, "system")
    assert wrong.startswith("system.toml, line 1: Expected `str` matching regex")


LIMIT = '[[limit]]\nscope = "account"\nname = "max_daily_loss"\nvalue = 0.03\nunit = "fraction"\n'


@pytest.mark.parametrize(
    ("was", "wrong", "said"),
    [
        ('"account"', '"strategy"', "line 2: Expected scope account or fleet of max_daily_loss in field `scope`, got 'strategy'"),
        ('"account"', '"fleet"\nkey = "paper"', "line 3: Expected no key, or \"*\", with scope fleet in field `key`, got 'paper'"),
        ('"fraction"', '"equity"', "line 5: Expected unit fraction of max_daily_loss, a share of the account's equity, in field `unit`"),
        ("0.03", "3", "line 4: Expected a share above 0 and at most 1 in field `value`, got 3"),
        ("0.03", "nan", "line 4: Expected `float` >= 0.0 (value = nan)"),
        ("0.03", "inf", "line 4: Expected `float` <= 1000000000000000.0 (value = inf)"),
        ("0.03", "-0.1", "line 4: Expected `float` >= 0.0"),
        ('"max_daily_loss"', '"max_open_orders"', "line 5: Expected unit count of max_open_orders in field `unit`, got 'fraction'"),
        ('"max_daily_loss"', '"max_order_notional"', "line 5: Expected unit currency or equity of max_order_notional in field `unit`"),
        ('"max_daily_loss"', '"restricted"', "line 2: Expected scope symbol of restricted in field `scope`, got 'account'"),
        ("0.03", "0", "line 4: Expected a share above 0 and at most 1 in field `value`, got 0"),
    ],
)
def test_a_loss_limit_that_could_not_hold_is_refused_where_it_stands(tmp_path: Path, was: str, wrong: str, said: str) -> None:
    assert complaint(tmp_path, LIMIT.replace(was, wrong), RiskConfig, "risk").startswith(f"risk.toml, {said}")
    (tmp_path / "risk.toml").write_text(LIMIT)
    assert len(from_toml(RiskConfig, tmp_path, "risk", "").limit) == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('day_starts_at = "25:00"', "Expected a time of day such as \"17:00\" in field `day_starts_at`, got '25:00'"),
        ('day_tz = "Mars/Olympus"', "Expected a time zone such as \"America/New_York\" in field `day_tz`, got 'Mars/Olympus'"),
    ],
)
def test_a_trading_day_that_never_begins_is_refused_where_it_stands(tmp_path: Path, line: str, said: str) -> None:
    system = f'[[account]]\nname = "main"\nbase_currency = "USD"\ndeposit = 1\n{line}\n'
    assert complaint(tmp_path, system, SystemConfig, "system") == f"system.toml, line 5: {said} ({line})"


def test_broken_toml_is_shown_with_file_and_line(tmp_path: Path) -> None:
    assert "line 2" in complaint(tmp_path, "[[strategy]]\nid = \n")
    assert complaint(tmp_path, "[[strategy]]\nid = \n").startswith("strategies.toml: ")


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"risk\.toml: No such file"):
        from_toml(RiskConfig, tmp_path, "risk", "test")
    (tmp_path / "risk.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"risk\.toml: "):
        from_toml(RiskConfig, tmp_path, "risk", "test")


def test_the_environments_file_is_laid_over_table_by_table(tmp_path: Path) -> None:
    (tmp_path / "system.toml").write_text(
        '[[account]]\nname = "main"\nbase_currency = "USD"\ndeposit = 1\n[paper]\nlatency_ms = 5\nfee_bps = 1\n'
    )
    (tmp_path / "risk.toml").write_text("")
    overlay(tmp_path, "[system.paper]\nlatency_ms = 7\n[risk]\n")
    system = from_toml(SystemConfig, tmp_path, "system", "test")
    assert (system.paper.latency_ms, system.paper.fee_bps, system.account[0].name) == (7.0, D(1), "main")
    assert from_toml(SystemConfig, tmp_path, "system", "other").paper.latency_ms == 5.0


def test_a_table_that_is_laid_over_nothing_is_named(tmp_path: Path) -> None:
    overlay(tmp_path, "[startegies]\n")
    assert "[startegies] is laid over nothing: there is no startegies.toml" in complaint(tmp_path, STRATEGIES)


def test_a_list_in_the_environments_file_replaces_the_list(tmp_path: Path) -> None:
    overlay(tmp_path, "[[strategies.strategy]]\n" + STRATEGIES.split("[[strategy]]\n")[2])
    assert [s.id for s in strategies(tmp_path, STRATEGIES).strategy] == ["slow"]


def test_a_wrong_value_in_the_environments_file_is_found_there(tmp_path: Path) -> None:
    wrong = STRATEGIES.split("[[strategy]]\n")[2].replace("0.25", "25")
    overlay(tmp_path, "[[strategies.strategy]]\n" + wrong)
    assert complaint(tmp_path, STRATEGIES) == "env/test.toml, line 6: Expected `float` <= 1.0 (allocation = 25)"
