"""The fault knobs of requests, as they hit those of the websocket API; those of REST are hit at the venue's doors."""

from collections.abc import Sequence

from libs.common import metrics
from services.sim_venue.binance.desk import DIALECT
from services.sim_venue.binance.errors import of_status
from services.sim_venue.faults import Fault
from services.sim_venue.host import Host
from services.sim_venue.kinds import CHANGES, What, naming
from services.sim_venue.log import Arrived, Fate


class Dropped(Exception):
    """The connection ends without an answer."""


class Passage:
    """One request's way in and out."""

    def __init__(self, host: Host, what: What, client_order_id: str) -> None:
        self.number = host.requests.next()
        self._host = host
        self._what: What = what
        self._client_order_id = naming(client_order_id)
        self._faults: Sequence[Fault] = host.faults.of_request(DIALECT, what, self._client_order_id)

    @property
    def _last(self) -> Fault | None:
        return self._faults[-1] if self._faults else None

    async def enter(self) -> None:
        """Before the venue looks at it. VenueError or Dropped: it never will."""
        for fault in self._faults:
            metrics.SIM_FAULTS.labels(kind=fault.kind).inc()
            if fault.kind == "latency":
                await self._host.pause(fault.seconds)
        last = self._last
        if last is not None and last.kind == "status_before":
            await self._write("answered", last.status)
            raise of_status(last.status)
        if last is not None and last.kind == "drop_before":
            await self._write("dropped", 0)
            raise Dropped
        await self._write("", 0)

    async def leave(self) -> None:
        """After it was done. VenueError or Dropped: its client does not get the answer."""
        last = self._last
        if last is None:
            return
        if last.kind == "late_answer":
            await self._host.pause(last.seconds)
        elif last.kind == "status_after":
            raise of_status(last.status)
        elif last.kind in ("drop_after", "half"):  # half a frame is none
            raise Dropped

    async def _write(self, fate: Fate, status: int) -> None:
        """The log has what would change something; the count has what names an order."""
        if self._what in CHANGES:
            arrived = Arrived(
                request=self.number,
                dialect=DIALECT,
                what=self._what,
                client_order_id=self._client_order_id,
                fate=fate,
                status=status,
            )
            if fate:
                await self._host.take(arrived)
            else:
                self._host.note(arrived)
        elif self._client_order_id:
            self._host.requests.count(self._what, self._client_order_id)
