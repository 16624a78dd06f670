"""Redis has lost the end of what it wrote: nothing of ours is kept there, so all that it has to do is to start and carry bells."""

import os
import signal
from pathlib import Path
from random import Random

import redis

from fleet.embedded.server import wait_until
from fleet.embedded.valkey import EmbeddedValkey
from libs.common.bus import RedisBus


def torn(folder: Path, draw: Random) -> None:
    """Cuts the newest append-only file anywhere, most likely within a record."""
    path = max((folder / "data").rglob("*.incr.aof"), key=lambda found: found.stat().st_mtime)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - draw.randrange(1, len(data) // 2)])


async def test_a_valkey_that_has_lost_the_end_of_its_file_starts_and_carries_bells_which_leave_nothing(tmp_path: Path) -> None:
    draw, server = Random(7), EmbeddedValkey(tmp_path)
    server.start()
    try:
        with redis.Redis.from_url(server.url) as client:
            pid = int(client.info("server")["process_id"])
            for n in range(200):
                client.set(f"key{n}", "x" * draw.randrange(50))
        os.kill(pid, signal.SIGKILL)
        assert wait_until(lambda: not server.alive(), 5)
        torn(tmp_path, draw)
        server.start()
        bus = RedisBus(server.url)
        with redis.Redis.from_url(server.url) as client:
            left = client.dbsize()
            assert 0 < left < 200
            await bus.publish([("orders.approved", b"[]")])
            assert client.dbsize() == left
        await bus.close()
    finally:
        server.stop()
