"""What the venue says. Everything that anybody can know of accounts and orders is a fold over its reports (`view`)."""

from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from libs.quant.sim_venue.commands import OpenAccount, Refusal
from libs.quant.sim_venue.orders import Execution, Order

Kind = Literal[
    "opened",  # an account
    "transfer",
    "accepted",  # the order is live
    "held",  # the order is taken and waits for another to fill
    "activated",  # a held order went live
    "moved",  # a trailing stop stands elsewhere
    "triggered",  # a stop became the order behind it
    "fill",
    "canceled",
    "expired",
    "replaced",  # of the old order; the new one's `accepted` follows
    "bust",
    "correct",
    "halted",
    "resumed",
]


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened. `order` is a copy of the order just after it."""

    n: int  # counts all reports of the venue from 1, without a gap
    at: int  # market time
    kind: Kind
    account: str = ""  # "" for the whole venue
    symbol: str = ""
    order: Order | None = None
    execution: Execution | None = None  # of fill, bust (the one that never happened) and correct (as it is now)
    was: Execution | None = None  # of correct: as it was
    balances: dict[str, Decimal] = {}  # signed changes by currency or asset, fees included
    terms: OpenAccount | None = None  # of opened: on which terms
    position: int = 0  # signed change in lots of `symbol`, where its trades make positions


class Outcome(NamedTuple):
    """What a command led to: what is reported, or why it was refused (then nothing is)."""

    reports: list[Report]
    refusal: Refusal | None = None
