"""sim_venue after it was stopped or killed: the same venue, to the last report."""

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.settings import ConfigError
from libs.quant.sim_venue.commands import Transfer
from libs.quant.sim_venue.listings import Fees, Listing
from libs.venues.line_file import LineFile, read
from services.sim_venue.host import Failed, Origin
from services.sim_venue.listings import by_hand
from services.sim_venue.snapshots import accounts_of
from tests.plain_dialect import PlainDialect
from tests.sim_venues import SimVenue, a_sim_venue


def told(venue: SimVenue) -> Mapping[str, Any]:
    """Everything that a client or an operator can ask of it."""
    host = venue.host
    return {
        "accounts": msgspec.to_builtins(accounts_of(host.view)),
        "halted": sorted(host.view.halted),
        "tape": msgspec.to_builtins(host.tape.kept()),
        "keys": sorted(host.credentials),
        "weather": host.faults.weather,
        "rules": host.exchange.rules,
        "requests": host.requests.kept(),
        "now": host.exchange.now,
        "core": host.exchange.snapshot(),
    }


async def trade(venue: SimVenue, name: str, side: str = "buy", limit: int = 10_010) -> None:
    order = {"symbol": "AAPL", "side": side, "type": "limit", "tif": "GTC", "lots": 1_000_000, "limit": limit, "client_order_id": name}
    async with ClientSession() as http, http.post(venue.url + "/plain/orders", json=order) as answer:
        assert answer.status == 200, await answer.text()


async def some_trading(venue: SimVenue) -> None:
    await venue.quote("AAPL", 100.0, 100.1)
    await venue.account("another", "binance", {"USD": 5_000})
    await trade(venue, "rests", limit=9_000)
    await trade(venue, "fills")
    await venue.weather(price_gap_bps={"AAPL": 50})
    await venue.quote("AAPL", 100.0, 100.1)
    await venue.trade("AAPL", 100.0, 3.0)
    await venue.control("POST", "halt", {"symbol": "MSFT"})
    await venue.control("PUT", "rules", {"id_scope": "open"})
    await venue.pass_time(60)


async def killed(venue: SimVenue) -> None:
    """As after a kill: nothing more is written, and another begins from what is on disk."""
    venue.host.open = False
    await venue.restart()


async def test_a_venue_that_was_stopped_goes_on_as_it_was(tmp_path: Path) -> None:
    async with a_sim_venue(dialects=[PlainDialect], folder=tmp_path) as venue:
        await some_trading(venue)
        before = told(venue)
        await venue.restart()
        assert told(venue) == before
        assert venue.venue.recovered == (0, 0, True)


async def test_a_venue_that_was_killed_goes_on_as_it_was(tmp_path: Path) -> None:
    async with a_sim_venue(dialects=[PlainDialect], folder=tmp_path) as venue:
        await some_trading(venue)
        before = told(venue)
        await killed(venue)
        assert told(venue) == before
        assert venue.venue.recovered.differences == 0
        assert venue.venue.recovered.lines > 10


async def test_what_came_after_the_snapshot_is_done_again(tmp_path: Path) -> None:
    async with a_sim_venue(dialects=[PlainDialect], folder=tmp_path) as venue:
        await some_trading(venue)
        venue.venue.keep()
        await trade(venue, "later")
        before = told(venue)
        await killed(venue)
        assert told(venue) == before
        assert (venue.venue.recovered.lines, venue.venue.recovered.differences) == (1, 0)


async def test_what_has_come_in_when_it_is_stopped_is_done_and_what_comes_later_is_not(tmp_path: Path) -> None:
    async with a_sim_venue(dialects=[], folder=tmp_path) as venue:
        paid = Transfer(account="demo-alpaca", currency="USD", amount=Decimal(1))
        host = venue.host
        in_time = asyncio.ensure_future(host.execute(paid, Origin("control", 0)))
        await asyncio.sleep(0)
        await venue.restart()
        assert (await in_time).refusal is None
        with pytest.raises(Failed, match="not open"):
            await host.execute(paid, Origin("control", 0))
        assert venue.host.view.accounts["demo-alpaca"].balances["USD"] == 100_001
        assert venue.venue.recovered == (0, 0, True)


async def test_an_account_keeps_the_terms_on_which_it_was_opened(tmp_path: Path) -> None:
    async with a_sim_venue(folder=tmp_path) as venue:
        key, secret = await venue.account("borrows", "alpaca", {"USD": 5_000}, kind="margin", leverage="4", allow_short=True)
        await venue.restart()
        headers = {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret}
        async with ClientSession(headers=headers) as http, http.get(venue.url + "/alpaca/v2/account") as answer:
            account = await answer.json()
        assert (account["multiplier"], account["shorting_enabled"], account["buying_power"]) == ("4", True, "20000")


async def test_a_file_of_the_log_that_is_missing_is_not_passed_over(tmp_path: Path) -> None:
    async with a_sim_venue(dialects=[PlainDialect], folder=tmp_path) as venue:
        for _ in range(2):
            await venue.quote("AAPL", 100.0, 100.1)
            await venue.restart()
        venue.host.open = False
        await venue.stop()
        second = _only_the_log(tmp_path)[1]
        second.rename(tmp_path / "elsewhere")
        with pytest.raises(ConfigError, match="missing"):
            await venue.start()
        (tmp_path / "elsewhere").rename(second)
        await venue.restart()
        assert venue.venue.recovered.differences == 0


def _only_the_log(folder: Path) -> list[Path]:
    for snapshot in folder.glob("snapshot-*"):
        snapshot.unlink()
    return sorted(folder.glob("lines-*.log"))


async def test_a_broken_snapshot_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with a_sim_venue(dialects=[PlainDialect], folder=tmp_path) as venue:
        await some_trading(venue)
        before = told(venue)
        await venue.stop()
        _spoil(tmp_path)
        await venue.start()
        assert told(venue) == before
        assert "cannot be used" in caplog.text


def _spoil(folder: Path) -> None:
    for snapshot in folder.glob("snapshot-*"):
        snapshot.write_bytes(snapshot.read_bytes()[:-1] + b"!")


@settings(max_examples=15, deadline=None)
@given(cut=st.integers(min_value=1, max_value=4_000))
async def test_a_log_that_ends_anywhere_is_a_venue_of_that_moment(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("venue")
    async with a_sim_venue(dialects=[PlainDialect], folder=folder) as venue:
        await some_trading(venue)
        venue.host.open = False
        await venue.stop()
        path = folder / "lines-000000000001.log"
        path.write_bytes(path.read_bytes()[:-cut])
        await venue.start()
        assert venue.venue.recovered.differences == 0


async def test_a_report_that_does_not_come_out_again_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with a_sim_venue(dialects=[PlainDialect], folder=tmp_path, listings=by_hand()) as venue:
        await some_trading(venue)
        venue.host.open = False
        await venue.stop()
        _rewrite(tmp_path / "lines-000000000001.log", b'"limit":9000', b'"limit":9001')
        with caplog.at_level(logging.CRITICAL):
            await venue.start()
        assert venue.venue.recovered.differences > 0
        assert "does not come out again" in caplog.text


def _rewrite(path: Path, what: bytes, with_what: bytes) -> None:
    """Another history, with checksums that fit it."""
    payloads = read(path, path.read_bytes()).payloads
    path.unlink()
    file, _ = LineFile.open(path)
    for payload in payloads:
        file.append(payload.replace(what, with_what, 1))
    file.close()


async def test_other_terms_are_another_venue(tmp_path: Path) -> None:
    async with a_sim_venue(dialects=[PlainDialect], folder=tmp_path):
        pass
    other: Sequence[Listing] = [msgspec.structs.replace(listing, fees=Fees(minimum=Decimal(1))) for listing in by_hand()]
    with pytest.raises(ConfigError, match=r"began otherwise \(terms\)"):
        async with a_sim_venue(dialects=[PlainDialect], folder=tmp_path, listings=other):
            pass


async def test_a_log_that_ends_before_its_snapshot_is_not_gone_on_with(tmp_path: Path) -> None:
    async with a_sim_venue(dialects=[PlainDialect], folder=tmp_path) as venue:
        await some_trading(venue)
        await venue.restart()
        venue.host.open = False
        await venue.stop()
        (tmp_path / f"lines-{venue.host.written + 1:012}.log").unlink()
        first = tmp_path / "lines-000000000001.log"
        first.write_bytes(first.read_bytes()[:-200])
        with pytest.raises(ConfigError, match="the log ends with line"):
            await venue.start()


async def test_a_venue_that_runs_cannot_be_started_twice(tmp_path: Path) -> None:
    async with a_sim_venue(dialects=[], folder=tmp_path):
        with pytest.raises(ConfigError, match=f"is held by process {os.getpid()}"):
            async with a_sim_venue(dialects=[], folder=tmp_path):
                pass


async def test_a_played_market_is_heard_again_from_its_feed(tmp_path: Path) -> None:
    async with a_sim_venue("synthetic", dialects=[PlainDialect], folder=tmp_path) as venue:
        assert venue.venue.terms.feed is not None
        steps = venue.venue.terms.feed.timeline(venue.host.now())
        for number in range(2_000):
            venue.host.hear(next(steps))
            if number % 200 == 0:
                await venue.control("POST", "transfer", {"account": "demo-alpaca", "currency": "USD", "amount": "1"})
        venue.host.mark()
        before = told(venue)
        await killed(venue)
        assert told(venue) == before


async def test_the_log_is_read_from_any_line_over_all_files(tmp_path: Path) -> None:
    async with a_sim_venue(dialects=[PlainDialect], folder=tmp_path) as venue:
        await some_trading(venue)
        await venue.restart()
        await venue.quote("AAPL", 1.0, 2.0)
        assert venue.host.log is not None
        assert len(venue.host.log.raw(3, 1_000, 1)) == 1  # one that is larger than all that is allowed comes alone
        lines = await venue.control("GET", "log?after=3")
        assert [line["n"] for line in lines] == list(range(4, venue.host.written + 1))
