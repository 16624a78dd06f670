"""Which work belongs to which kind of job."""

from typing import assert_never

from libs.domain.jobs import AnyJob, EndOfDay, Parity, Partitions, Reconciliation, Retention, SessionEvents, Statement
from services.scheduler.duty import Done, Duty
from services.scheduler.jobs import end_of_day, parity, partitions, reconciliation, retention, session_events, statement


async def done(config: AnyJob, duty: Duty) -> Done:
    """Does it.

    Raises:
        Failed: it did not go well, in one sentence.
    """
    match config:
        case SessionEvents():
            return await session_events.run(duty)
        case EndOfDay():
            return await end_of_day.run(duty)
        case Partitions():
            return await partitions.run(duty)
        case Reconciliation():
            return await reconciliation.run(duty)
        case Parity():
            return await parity.run(duty)
        case Statement():
            return await statement.run(duty)
        case Retention():
            return await retention.run(duty, config.params)
        case _:
            assert_never(config)
