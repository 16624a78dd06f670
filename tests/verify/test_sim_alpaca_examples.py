"""The scripts of `examples/`, as they stand, against a venue in another process."""

import asyncio
from pathlib import Path

from tests.sim_venue_process import BinanceClient, a_process, ran

SAYS = {
    "examples/alpaca_trading.py": ["bought 10 ", "a second time is refused: 422", "bracket: limit buy (new), limit sell (held)", "left: 0"],
    "examples/alpaca_data.py": ["last trade", "bars of five minutes", "the day so far"],
    "examples/alpaca_streams.py": ["quote ", "pending_new: buy 1", "filled 1 at", "both streams closed"],
}


async def test_scripts_written_from_alpaca_pys_documentation_run_by_another_address_alone(tmp_path: Path) -> None:
    with a_process(tmp_path, SIM_MARKET="synthetic", SPEED="60") as venue:
        keys = await _accounts(venue.url)
        runs = await asyncio.gather(*(ran(script, venue.url, *keys[script]) for script in SAYS))
    for (script, expected), (code, printed) in zip(SAYS.items(), runs, strict=True):
        assert code == 0, f"{script}:\n{printed}"
        for words in expected:
            assert words in printed, f"{script} does not say {words!r}:\n{printed}"


async def _accounts(url: str) -> dict[str, tuple[str, str]]:
    """Key and secret of an account for each script: they close all that they find."""
    async with BinanceClient.connected(url) as client:  # for its waiting and its control API; the dialect does not matter here
        await client.until_open()
        await _traded_for(90, client)
        asked = [{"account": script, "dialect": "alpaca", "deposit": {"USD": "100000"}} for script in SAYS]
        opened = [await client.control("POST", "accounts", body) for body in asked]
    return {script: (answer["key"], answer["secret"]) for script, answer in zip(SAYS, opened, strict=True)}


async def _traded_for(seconds: int, client: BinanceClient) -> None:
    """Until the market has been open so long: a script that asks for the newest minute expects one."""
    began = (await client.control("GET", "market"))["market_time"]
    async with asyncio.timeout(60):
        while (await client.control("GET", "market"))["market_time"] < began + seconds * 1_000_000_000:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.1)
