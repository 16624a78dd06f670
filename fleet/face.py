"""The face of a run: plain lines, or a live screen. The run speaks to either alike and knows neither."""

from typing import NamedTuple, Protocol

from fleet.events import Speaker, Voice
from fleet.servers import Servers
from fleet.supervisor import Supervisor
from fleet.watching import Samples, Watcher


class Parts(NamedTuple):
    """What a face may look at while the services run."""

    servers: Servers
    supervisor: Supervisor
    samples: Samples
    watcher: Watcher


class Face(Voice, Protocol):
    """How a run meets whoever watches it."""

    def open(self) -> None:
        """Before the first start. Called once, inside the event loop."""
        ...

    async def follow(self, parts: Parts) -> None:
        """Shows what there is to see, until cancelled. Never fails for what it cannot show."""
        ...

    def close(self) -> None:
        """Leaves the terminal as it was found; whatever is said later is plain. Called again it does nothing."""
        ...


class Lines(Speaker):
    """Plain lines: all they have to show is said."""

    def open(self) -> None:
        """Nothing to prepare."""

    async def follow(self, parts: Parts) -> None:
        """Nothing to look at."""

    def close(self) -> None:
        """Nothing to put back."""
