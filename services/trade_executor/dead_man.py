"""The venue's own dead man's switch, where it has one: it ends all open orders unless it hears from us in time."""

import asyncio
import logging
from typing import Final

from libs.common.logs import about
from libs.domain.configuration import OnDisconnect
from libs.store.sessions import Account
from libs.venues.broker import Broker, OutcomeUnknown, Refused

log = logging.getLogger(__name__)

AFTER_S: Final = 60.0
REFRESH_S: Final = 20.0  # two refreshes may be lost; Kraken advises 15 to 30 s with a minute


async def keep_armed(broker: Broker, account: Account) -> None:
    """Until cancelled. Returns at once where the venue has none. What is refused is told once, and asked for again."""
    said = ""
    while broker.abilities.dead_man:
        wrong = await _asked(broker, AFTER_S)
        if wrong != said:
            if wrong:
                log.error("the dead man's switch of venue %s is not armed: %s", account.venue, wrong, extra=_about(account, "failure"))
            else:
                log.info("the dead man's switch of venue %s is armed", account.venue, extra=_about(account, "success"))
            said = wrong
        await asyncio.sleep(REFRESH_S)


async def leave(broker: Broker, account: Account, policy: OnDisconnect) -> None:
    """We stop in order. Orders that may rest without us stay: it is switched off. Others are left to it."""
    if not broker.abilities.dead_man or policy == "cancel":
        return
    if wrong := await _asked(broker, 0.0):
        log.error(
            "the dead man's switch of venue %s was not switched off, so open orders end there within %.0f s: %s",
            account.venue,
            AFTER_S,
            wrong,
            extra=_about(account, "failure"),
        )


async def _asked(broker: Broker, after_s: float) -> str:
    """Why it was not done; "" when it was."""
    try:
        await broker.dead_man(after_s)
    except (Refused, OutcomeUnknown) as error:
        return str(error)
    except Exception as error:  # an adapter's defect must not end the desk
        log.exception("asking the venue's dead man's switch", extra=about("venue_asked", "failure"))
        return f"{type(error).__name__}: {error}"
    return ""


def _about(account: Account, outcome: str) -> dict[str, object]:
    return about("dead_man_armed", "success" if outcome == "success" else "failure", account_id=account.account_id)
