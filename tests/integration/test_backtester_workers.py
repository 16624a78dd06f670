"""The worker processes in which the service runs jobs: what they answer, how they die, and that none is left behind."""

import asyncio
import sys
from pathlib import Path

import pytest

from fleet.embedded.processes import is_running
from services.backtester.app import end_of
from services.backtester.job import Failed, Job
from tests.waiting import until


async def test_what_a_strategy_prints_is_no_part_of_the_answer() -> None:
    program = """
import subprocess, sys
from services.backtester import process
from services.backtester.job import Failed
def work(question):
    print("said by a strategy", flush=True)
    subprocess.run([sys.executable, "-c", "print('and by its child')"], check=True)
    return Failed(error="as expected")
process.answer(work)
"""
    end = await end_of(Job(spec={}, limits=[], market_data_dir="", database_url=""), (sys.executable, "-c", program))
    assert end == Failed(error="as expected")


@pytest.mark.parametrize(
    ("program", "said"),
    [("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL"), ("raise RuntimeError('broken')", "RuntimeError: broken")],
)
async def test_a_worker_that_dies_leaves_a_reason_and_nothing_else(program: str, said: str) -> None:
    end = await end_of(Job(spec={}, limits=[], market_data_dir="", database_url=""), (sys.executable, "-c", program))
    assert isinstance(end, Failed)
    assert said in end.error


async def test_a_worker_does_not_outlive_who_waits_for_it(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    program = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    waiting = asyncio.ensure_future(end_of(Job(spec={}, limits=[], market_data_dir="", database_url=""), (sys.executable, "-c", program)))
    await until(lambda: note.exists() and note.read_text() != "")
    waiting.cancel()
    await asyncio.wait({waiting})
    assert not is_running(int(note.read_text()))
