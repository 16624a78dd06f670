"""What `fleet diagnose` sees of a real record, and of servers that are away."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from fleet import facts, running
from fleet.cli import app
from fleet.diagnosis import findings
from fleet.plan import FleetSettings
from libs.common.clocks import SystemClock
from libs.common.database import Database, Write
from libs.domain.fleet import PORTS
from libs.store.queries import condition
from tests.fleets import configuration
from tests.records import an_empty_database
from tests.scenes import begin, clear


@pytest_asyncio.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url, "test")
    await clear(database)
    yield database
    await database.close()


async def test_an_empty_record_is_in_no_condition_to_complain_of(database: Database) -> None:
    found = await condition.condition(database)
    assert (found.session, found.leases, found.behind, found.orders, found.quarantined) == (None, [], [], {}, 0)
    assert found.server.schema is not None
    assert set(found.server.settings) == set(condition.DURABLE)


async def test_what_stands_in_the_record_is_told(database: Database) -> None:
    account = (await begin(database)).account_id
    note = uuid4()
    await database.write(
        [
            Write("insert into leases values ('risk:' || %s, 'x:1:2', 4, clock_timestamp() - interval '9 s', false)", (account,)),
            Write("select journal_append('signals', %s::uuid[], %b::text[])", ([None, None], ["{}", "{}"])),
            Write("insert into quarantine (consumer, stream, no, body, error) values ('risk:paper', 'signals', 1, '', 'bad')", ()),
            Write(
                "insert into fill_quarantine (venue, account_id, exec_key, raw, reason) values ('paper', %s, 'k:1', '', 'odd')", (account,)
            ),
            Write(
                "insert into risk_halts (account_id, limit_name, halted_at, equity, reference, limit_value, seen)"
                " values (%s, 'max_drawdown', now(), 90, 100, 0.05, 0.1)",
                (account,),
            ),
            Write(
                "insert into job_runs (id, job_id, session_id, scheduled_for, asked_by, state, detail)"
                " values (%s, 'nightly', 's', now(), 'schedule', 'failed', 'no disk')",
                (uuid4(),),
            ),
            Write(
                "insert into alerts (key, source, severity, title, body, link, since)"
                " values ('disk', 'direct', 'critical', 'the disk is full', '', '', now())",
                (),
            ),
            Write(
                "insert into notifications (id, kind, severity, state, key, title, body, link, producer, created_at)"
                " values (%s, 'system', 'critical', 'note', '', 't', 'b', '', 'test', clock_timestamp() - interval '5 min')",
                (note,),
            ),
            Write(
                "insert into notification_deliveries (notification_id, channel, state, priority, next_at, detail)"
                " values (%s, 'gotify', 'waiting', 5, now(), '401')",
                (note,),
            ),
            Write(
                "insert into portfolio_snapshots (account_id, strategy_id, snapshot_date, total_value, cash_balance, invested_value,"
                " day_pnl, total_pnl, performance_metrics, market_time)"
                " select %s, '', d::date, 1, 1, 0, p, p, '{}', now() from (values ('2026-03-01', 5), ('2026-03-02', 7)) v(d, p)",
                (account,),
            ),
        ]
    )
    found = await condition.condition(database)
    assert found.session is not None
    assert found.session.accounts == [account]
    assert [(lease.epoch, lease.held) for lease in found.leases] == [(4, False)]
    assert ("risk:paper", "signals", 2) in {(b.consumer, b.stream, b.messages) for b in found.behind}
    assert (found.quarantined, {aside.error for aside in found.put_aside}) == (2, {"bad", "odd"})
    assert [(halt.limit_name, halt.seen) for halt in found.halts] == [("max_drawdown", 0.1)]
    assert [(job.job_id, job.state) for job in found.jobs] == [("nightly", "failed")]
    assert [alert.key for alert in found.alerts] == ["disk"]
    assert [(c.channel, c.waiting, c.last_error) for c in found.channels] == [("gotify", 1, "401")]
    assert found.channels[0].oldest_s is not None
    assert found.channels[0].oldest_s > 290
    assert [(day.day.isoformat(), day.pnl) for day in found.earned] == [("2026-03-01", Decimal(5))]


def settings(tmp_path: Path, database_url: str, redis_url: str) -> FleetSettings:
    config = configuration(tmp_path / "config")
    return FleetSettings(
        database_url=database_url, redis_url=redis_url, state_dir=str(tmp_path / "state"), config_dir=str(config), port_offset=55_000
    )


async def test_a_difference_that_the_doctor_lists_is_told_once(
    database: Database, url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pause in ("LEDGER_PAUSE_S", "MOVES_WITHIN_S"):
        monkeypatch.setattr(facts, pause, 0.0)
    account = (await begin(database)).account_id  # at a venue that holds nothing
    ledger = "insert into cash_ledger (txn_id, entry, account_id, strategy_id, ledger_account, commodity, amount, kind)"
    item = "insert into reconcile_items (id, account_id, kind, key, ours, theirs, detail)"
    await database.write(
        [
            Write(f"{ledger} values (%s, 1, %s, '', 'cash', 'USD', 7, 'deposit')", (UUID(int=1), account)),
            Write(f"{ledger} values (%s, 2, %s, '', 'equity', 'USD', -7, 'deposit')", (UUID(int=1), account)),
            Write("insert into cash_balances values (%s, 'USD', 7)", (account,)),
            Write(f"{item} values (%s, %s, 'cash', 'USD', '7', '0', '')", (uuid4(), account)),
        ]
    )
    config, clock = settings(tmp_path, url, redis_url), SystemClock()
    with running.alone(Path(config.state_dir)):  # the paper books are here
        running.announce(Path(config.state_dir), url, redis_url, running.offset(PORTS, config.port_offset), clock)
        seen = await facts.gather(config, {}, clock)
    assert seen.ledger == [f"{account}: the venue has 0 USD in cash, the ledger 7"]
    assert [finding.runbook for finding in findings(seen) if "USD" in finding.what] == ["reconciliation"]


async def test_what_is_down_is_said_to_be_down_and_the_rest_is_told(tmp_path: Path, unused_tcp_port: int, redis_url: str) -> None:
    away = f"postgresql://fleet:hunter2@127.0.0.1:{unused_tcp_port}/x"
    seen = await facts.gather(settings(tmp_path, away, redis_url), {}, SystemClock())
    assert seen.postgres is not None
    assert not seen.postgres.ok
    assert (seen.record, seen.ledger) == (None, None)
    assert seen.redis is not None
    assert seen.redis.ok
    assert {service.state for service in seen.services} == {"down"}
    assert seen.config.error == ""
    assert {"server-down", "service-down"} == {finding.runbook for finding in findings(seen)}


async def test_a_database_without_our_schema_is_named(tmp_path: Path, database_url: str, unused_tcp_port: int) -> None:
    with an_empty_database(database_url) as url:
        seen = await facts.gather(settings(tmp_path, url, f"redis://127.0.0.1:{unused_tcp_port}"), {}, SystemClock())
    assert seen.postgres is not None
    assert seen.postgres.ok
    assert "schema is not this release's" in seen.record_missing
    assert any("the record cannot be read" in finding.what for finding in findings(seen))
    assert any("Redis does not answer" in finding.what for finding in findings(seen))


def test_without_a_fleet_the_exit_code_is_3_and_the_host_is_still_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STATE_DIR", str(tmp_path))
    told = CliRunner().invoke(app, ["diagnose"])
    assert told.exit_code == 3
    assert told.output.startswith("NO FLEET")
    assert "memory" in told.output
    data = json.loads(CliRunner().invoke(app, ["diagnose", "--json"]).output)
    assert data["facts"]["nothing_runs"]
    assert CliRunner().invoke(app, ["checklist", "pre-market"]).exit_code == 3
