"""The day again through the backtester, which plays it in a process of its own; asked over HTTP, for services meet nowhere else."""

from collections import Counter
from typing import Final

import aiohttp
import msgspec

from libs.domain.fleet import PORTS
from libs.domain.times import iso
from libs.store import sessions
from services.scheduler.duty import Done, Duty, Failed


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the backtester says of an account's day. The rest of its answer is for whoever asks it directly."""

    account: str
    mode: str  # free, lockstep
    signals: int
    orders: int
    trades: int
    causes: dict[str, int]  # differences by their cause; empty: equal to the last digit
    faults: list[str] = []  # strategies that failed in the backtest

    def text(self) -> str:
        """On one line."""
        found = ", ".join(f"{cause} {count:,}" for cause, count in sorted(self.causes.items()))
        played = f"{self.signals:,} signals, {self.orders:,} orders, {self.trades:,} trades"
        return f"{self.account}: {played}, " + (f"{sum(self.causes.values()):,} differences ({found})" if found else "equal")


class _Problem(msgspec.Struct, frozen=True, kw_only=True):
    detail: str = ""


SERVICE: Final = "backtester"


async def run(duty: Duty) -> Done:
    """Compares the day of every account of the session."""
    session = duty.played()
    day = iso(duty.moment())[:10]
    accounts = await sessions.accounts(duty.database, session.session_id)
    answers = [await _asked(duty, account.account_id, day) for account in accounts]
    return judged(answers, day)


def judged(answers: list[Answer], day: str) -> Done:
    """Whether a day is as it must be: one in lockstep has no difference, one in free running may have some, each with its cause.

    Raises:
        Failed: it is not.
    """
    text = f"{day}: {'; '.join(answer.text() for answer in answers) or 'no account'}"
    wrong = [answer for answer in answers if answer.mode == "lockstep" and answer.causes]
    if wrong:
        counts = sum((Counter(answer.causes) for answer in wrong), Counter[str]())
        raise Failed(f"fleet and backtest differ, {counts.total():,} times, in a session that must be equal; {text}")
    explained = any(answer.causes for answer in answers)
    return Done(text + ("; the session runs free, so these are explained, not a failure" if explained else ""))


async def _asked(duty: Duty, account: str, day: str) -> Answer:
    url = f"{duty.settings.peer(SERVICE, PORTS[SERVICE])}/parity"
    body = msgspec.json.encode({"account": account, "day": day})
    try:
        # No limit of its own: the job's is the limit.
        async with duty.http.post(url, data=body, timeout=aiohttp.ClientTimeout(total=None, sock_connect=5)) as answer:
            said = await answer.read()
            if answer.status != 200:
                raise Failed(f"the backtester refused to compare {account} on {day}: {_why(said) or answer.reason}")
            return msgspec.json.decode(said, type=Answer)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Failed(f"the backtester does not answer at {url}: {str(error) or type(error).__name__}") from error
    except msgspec.MsgspecError as error:
        raise Failed(f"the backtester's answer makes no sense: {error}") from error


def _why(said: bytes) -> str:
    try:
        return msgspec.json.decode(said, type=_Problem).detail
    except msgspec.MsgspecError:
        return ""
