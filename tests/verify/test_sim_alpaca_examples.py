"""The scripts of `examples/`, as they stand, against a venue in another process."""

import asyncio
from pathlib import Path

from aiohttp import ClientSession

from tests.venue_process import a_venue_process, ran

SAYS = {
    "examples/alpaca_trading.py": ["bought 10 ", "a second time is refused: 422", "bracket: limit buy (new), limit sell (held)", "left: 0"],
    "examples/alpaca_data.py": ["last trade", "bars of five minutes", "the day so far"],
    "examples/alpaca_streams.py": ["quote ", "pending_new: buy 1", "filled 1 at", "both streams closed"],
}


async def test_scripts_written_from_alpaca_pys_documentation_run_by_another_address_alone(tmp_path: Path) -> None:
    async with a_venue_process(tmp_path) as url:
        runs = await asyncio.gather(*[ran(script, url, *await _account(url, script)) for script in SAYS])
    for (script, expected), (code, printed) in zip(SAYS.items(), runs, strict=True):
        assert code == 0, f"{script}:\n{printed}"
        for words in expected:
            assert words in printed, f"{script} does not say {words!r}:\n{printed}"


async def _account(url: str, name: str) -> tuple[str, str]:
    """Key and secret of an account of its own: the scripts close all they find."""
    asked = {"account": name, "dialect": "alpaca", "deposit": {"USD": "100000"}}
    async with ClientSession() as http, http.post(f"{url}/sim/v1/accounts", json=asked) as answer:
        opened = await answer.json()
        return opened["key"], opened["secret"]
