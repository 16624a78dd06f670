"""`fleet run --screenshot FILE`: the screen of a real run as an SVG file, for the documentation. The run itself tells in lines."""

import asyncio
import re
from collections import deque
from io import StringIO
from pathlib import Path
from typing import Final

from rich.console import Console

from fleet.events import BLANK
from fleet.face import Lines, Parts
from fleet.screen import layout
from fleet.screen.model import Hand, Snapshot
from fleet.screen.reading import Reading
from libs.common.database import Database, Unreachable

WIDTH: Final = 100
HEIGHT: Final = 30
LOOK_S: Final = 1.0
_REMOTE_FONT: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


class Picture:
    """Lines, and the file: written at each look at which all services are well, so the last one stays."""

    def __init__(self, plain: Lines, reading: Reading, file: Path) -> None:
        self._plain = plain
        self._reading = reading
        self._file = file
        self._feed: deque[str] = deque(maxlen=HEIGHT)

    def say(self, text: str) -> None:
        """One line, which the picture shows too."""
        self._feed.append(text)
        self._plain.say(text)

    def event(self, text: str) -> None:
        """A line about the fleet itself."""
        self.say(f"{BLANK}  {text}")

    def open(self) -> None:
        """Nothing to prepare."""

    async def follow(self, parts: Parts) -> None:
        """Looks, and draws, until cancelled."""
        database = Database(parts.servers.database_url, "fleet:picture")
        try:
            while True:
                await asyncio.sleep(LOOK_S)
                try:
                    await self._reading.look(database)
                except Unreachable:
                    continue
                seen = self._reading.snapshot(parts, list(self._feed), Hand(), keys=True, stopping=False)
                if seen.session is not None and all(light.well for light in seen.services):
                    self._file.write_text(svg(seen))
        except OSError as error:
            self.event(f"no picture: {self._file}: {error.strerror}")
        finally:
            await database.close()

    def close(self) -> None:
        """Nothing to put back."""


def svg(snapshot: Snapshot) -> str:
    """The screen as it is at 100 columns and 30 rows."""
    console = Console(file=StringIO(), width=WIDTH, height=HEIGHT, record=True, force_terminal=True, color_system="standard")
    console.print(layout.screen(snapshot, WIDTH, HEIGHT), end="", highlight=False)
    drawn = console.export_svg(title="make run", unique_id="screen")
    # Rich's own frame fetches its font from the network, which pages that show pictures forbid, and whose reader nobody asked.
    return _REMOTE_FONT.sub("", drawn).replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace")
