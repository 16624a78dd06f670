"""Every request that is made of a venue: within the budget, once, and with an outcome of ours."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from libs.venues.broker import NotSent, OutcomeUnknown, Refused
from libs.venues.budget import Purpose
from libs.venues.ccxt_venue.outcomes import Documented, outcome_of
from libs.venues.ccxt_venue.wire import Wire

T = TypeVar("T")

WITHIN_S: Final = 30.0
"""Host seconds that a request without a deadline of its own may wait for its share of the budget."""

MEASURED_EACH_S: Final = 3600.0
_LATE: Final = "-1021"  # the time in a signature was too old or too new


class Calls:
    """Makes them through one exchange object."""

    def __init__(self, exchange: Any, wire: Wire, documented: Documented) -> None:
        self._exchange = exchange
        self._wire = wire
        self._documented = documented
        self._measured_at: float | None = None  # host monotonic; None: the clocks' difference is not known, or was proved wrong

    async def change(
        self, what: Purpose, call: Callable[[], Awaitable[T]], deadline: float | None = None, hold: Callable[[], str] | None = None
    ) -> T:
        """One request that changes something, sent before `deadline` (host monotonic seconds) or not at all; and not when `hold`, asked
        right before the first byte, says why not.

        Raises:
            Refused, NotSent, OutcomeUnknown.
        """
        until = self._wire.clock.monotonic() + WITHIN_S if deadline is None else deadline
        if self._measured_at is None:
            try:
                await self.measure_clocks(until)
            except (Refused, OutcomeUnknown) as error:
                raise NotSent(f"the venue did not say what time it is, and a signature needs it: {error}") from error
        return await self._once(what, call, until, hold)

    async def read(self, call: Callable[[], Awaitable[T]]) -> T:
        """One request that changes nothing.

        Raises:
            Refused: the venue says that there is no such thing, or that we may not see it.
            OutcomeUnknown: it was not answered.
        """
        now = self._wire.clock.monotonic()
        try:
            if self._measured_at is None or now - self._measured_at > MEASURED_EACH_S:
                await self.measure_clocks(now + WITHIN_S)
            return await self._once("read", call, now + WITHIN_S)
        except NotSent as error:
            raise OutcomeUnknown(str(error)) from error

    async def _once(self, what: Purpose, call: Callable[[], Awaitable[T]], until: float, hold: Callable[[], str] | None = None) -> T:
        await self._wire.budget.take(what, until)
        async with self._wire.sending(until, hold) as sending:
            try:
                return await call()
            except NotSent:
                raise
            except Exception as error:  # ccxt raises what it likes, KeyError too: the default is unknown
                answered = sending.answered()
                if answered.code == _LATE:
                    self._measured_at = None
                raise outcome_of(error, answered, self._documented) from error

    async def measure_clocks(self, until: float) -> None:
        """How far this machine's clock is from the venue's, for the time in signatures; nothing where ccxt does not say how.

        Half of the round trip is taken off: the venue looked at its clock in the middle of it.
        """
        if "timeDifference" in self._exchange.options and self._exchange.has.get("fetchTime"):
            began = self._exchange.milliseconds()
            theirs = await self._once("read", self._exchange.fetch_time, until)
            self._exchange.options["timeDifference"] = (began + self._exchange.milliseconds()) // 2 - int(theirs)
        self._measured_at = self._wire.clock.monotonic()


def is_not_there(refused: Refused) -> bool:
    """Whether the venue refused because it has no such order."""
    cause = refused.__cause__
    return cause is not None and any(kind.__name__ == "OrderNotFound" for kind in type(cause).__mro__)
